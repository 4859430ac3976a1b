from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest

from workflows import client


class Command(BaseCommand):
    help = (
        "Give the work to the workers of a version. Run it once they are up; those of the version"
        " before may then stop. Without worker versioning there is no need for it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "build_id",
            nargs="?",
            default=settings.TEMPORAL_BUILD_ID,
            help="the default is TEMPORAL_WORKER_BUILD_ID",
        )
        which.add_argument(
            "--unversioned", action="store_true", help="to workers without a version again"
        )

    def handle(self, build_id: str, unversioned: bool, **options) -> None:
        if not build_id and not unversioned:
            raise CommandError("Name a build id, or set TEMPORAL_WORKER_BUILD_ID.")
        name = settings.TEMPORAL_DEPLOYMENT_NAME
        try:
            answer = client.call(
                lambda temporal: temporal.workflow_service.set_worker_deployment_current_version(
                    SetWorkerDeploymentCurrentVersionRequest(
                        namespace=temporal.namespace,
                        deployment_name=name,
                        build_id="" if unversioned else build_id,
                    )
                ),
                timeout=30,
            )
        except client.UNAVAILABLE as error:
            raise CommandError(str(error)) from None
        before = answer.previous_deployment_version.build_id or "no version"
        now = "no version" if unversioned else build_id
        self.stdout.write(f"{name}: {before} -> {now}")
