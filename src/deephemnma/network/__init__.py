"""The network: trained on simulated or estimated images, it predicts conformation and pose at once."""
