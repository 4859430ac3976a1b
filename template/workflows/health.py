"""The health check of this backend, for `/health/`."""

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from . import client


def check_temporal() -> None:
    """Raise unless Temporal answers within 0.8 seconds and has the project's namespace."""
    client.call(
        lambda temporal: temporal.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=temporal.namespace)
        )
    )
