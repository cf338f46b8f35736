"""Tables of particles as RELION, cryoSPARC, Xmipp, cisTEM and FREALIGN write them, in RELION's columns."""
