"""Conditions over columns, such as ``pc1 > 20 and amplitude_7 < -50``, as users write them."""

import ast
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deephemnma.core.error import InputError

MAX_LENGTH = 1000
COMPARISONS: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    ast.Lt: torch.lt,
    ast.LtE: torch.le,
    ast.Gt: torch.gt,
    ast.GtE: torch.ge,
    ast.Eq: torch.eq,
    ast.NotEq: torch.ne,
}
ARITHMETIC: dict[type, Callable[[Tensor, Tensor], Tensor]] = {
    ast.Add: torch.add,
    ast.Sub: torch.sub,
    ast.Mult: torch.mul,
    ast.Div: torch.div,
    ast.Pow: torch.pow,
}


def evaluate_expression(expression: str, columns: Mapping[str, Float[Tensor, "images"]]) -> Bool[Tensor, "images"]:
    """Return for which images `expression` holds.

    Only numbers, names of `columns`, comparisons (also chained), ``+ - * / **``, ``and or not`` and parentheses have
    a meaning; anything else is refused, so that an expression of unknown origin can do no harm.

    Raises
    ------
    InputError
        If the expression has a mistake, an unknown column, or is no condition.
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval") if len(expression) <= MAX_LENGTH else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None:
        raise InputError(f"The expression {expression[:80]!r} cannot be read: write it like 'pc1 > 20 and pc2 < 0'.")
    try:
        result = _Evaluator(expression, columns).evaluate(tree.body)
    except RecursionError:
        raise InputError(f"The expression {expression[:80]!r} is nested too deeply.") from None
    if result.dtype != torch.bool:
        raise InputError(f"The expression {expression!r} is a number, not a condition: compare it with something.")
    length = len(next(iter(columns.values())))
    return result.expand(length).clone()


class _Evaluator:
    """Walks the syntax tree; a node that is not listed here is refused."""

    def __init__(self, expression: str, columns: Mapping[str, Tensor]) -> None:
        self._expression = expression
        self._columns = columns

    def evaluate(self, node: ast.expr) -> Tensor:
        """Return the value of `node`: boolean for a condition, float64 for a number."""
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return torch.tensor(float(value), dtype=torch.float64)
            case ast.Name(id=name):
                return self._look_up(name)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self._evaluate_condition(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._evaluate_number(operand)
            case ast.BoolOp(op=operation, values=values):
                conditions = torch.broadcast_tensors(*(self._evaluate_condition(value) for value in values))
                stacked = torch.stack(conditions)
                return stacked.all(0) if isinstance(operation, ast.And) else stacked.any(0)
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in ARITHMETIC:
                return ARITHMETIC[type(operation)](self._evaluate_number(left), self._evaluate_number(right))
            case ast.Compare(left=left, ops=operations, comparators=others) if all(
                type(operation) in COMPARISONS for operation in operations
            ):
                terms = [self._evaluate_number(term) for term in (left, *others)]
                pairs = zip(operations, terms[:-1], terms[1:], strict=True)
                links = [COMPARISONS[type(operation)](first, second) for operation, first, second in pairs]
                return torch.stack(torch.broadcast_tensors(*links)).all(0)
        part = ast.get_source_segment(self._expression.strip(), node)
        raise InputError(
            f"{part!r} has no meaning in the expression {self._expression!r}: use columns, numbers, comparisons, "
            "+ - * / **, and, or, not."
        )

    def _look_up(self, name: str) -> Tensor:
        if name not in self._columns:
            raise InputError(
                f"There is no column {name!r} for the expression {self._expression!r}; "
                f"there are {', '.join(self._columns)}."
            )
        return self._columns[name].double()

    def _evaluate_condition(self, node: ast.expr) -> Tensor:
        value = self.evaluate(node)
        if value.dtype != torch.bool:
            part = ast.get_source_segment(self._expression.strip(), node)
            raise InputError(
                f"{part!r} in the expression {self._expression!r} is a number where a condition is needed."
            )
        return value

    def _evaluate_number(self, node: ast.expr) -> Tensor:
        value = self.evaluate(node)
        if value.dtype == torch.bool:
            part = ast.get_source_segment(self._expression.strip(), node)
            raise InputError(
                f"{part!r} in the expression {self._expression!r} is a condition where a number is needed."
            )
        return value
