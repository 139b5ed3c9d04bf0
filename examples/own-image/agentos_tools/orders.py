"""What agents may ask of the shop: `toolkit: orders` in the AgentDeployment beside the Dockerfile.

The docstrings of the functions are what the model reads.
"""

from __future__ import annotations

from typing import Any

from agno.tools.toolkit import Toolkit

ORDERS = {"1001": "shipped", "1002": "paid"}
"""Stands for the shop's own API."""


class OrdersTools(Toolkit):
    """Looks orders up and refunds them; `options` of the spec are the arguments of this constructor."""

    def __init__(self, currency: str = "EUR", **options: Any) -> None:
        self.currency = currency
        super().__init__(name="orders", tools=[self.order_status, self.refund], **options)

    def order_status(self, order: str) -> str:
        """Tell how far an order is.

        Args:
            order: number of the order.
        """
        return ORDERS.get(order, "there is no such order")

    def refund(self, order: str, amount: float) -> str:
        """Pay money of an order back.

        Args:
            order: number of the order.
            amount: how much.
        """
        if order not in ORDERS:
            return "there is no such order"
        return f"{amount:.2f} {self.currency} of order {order} were paid back"
