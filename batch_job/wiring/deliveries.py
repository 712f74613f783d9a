"""The queue Lambdas' wiring to the queue that their messages come from."""

from batch_job.adapters.deliveries import SqsDeliveries
from batch_job.ports import Deliveries


def open_deliveries(queue_arn: str) -> Deliveries:
    """Reach a queue; nothing is sent, and no client made, until something must be handed back."""
    return SqsDeliveries(queue_arn)
