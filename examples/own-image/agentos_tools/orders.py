"""What agents may ask of the shop: `toolkit: orders` in the AgentDeployment beside the Dockerfile.

Each public function is a tool; the model reads its docstring and its types. Helpers begin with an underscore.
"""

from __future__ import annotations

_ORDERS = {"1001": "shipped", "1002": "paid"}
"""Stands for the shop's own API."""


def order_status(order: str) -> str:
    """Tell how far an order is.

    Args:
        order: number of the order.
    """
    return _ORDERS.get(order, "there is no such order")


async def refund(order: str, amount: float) -> str:
    """Pay money of an order back.

    Args:
        order: number of the order.
        amount: how much, in euros.
    """
    if order not in _ORDERS:
        return "there is no such order"
    return f"{amount:.2f} EUR of order {order} were paid back"
