"""The stack: unpacks the settings and puts the parts together."""

from functools import partial
from typing import TypedDict

from aws_cdk import RemovalPolicy, Stack, Tags, aws_iam, aws_logs
from constructs import Construct

from batch_job.settings import Capacity, DeploySettings, Output, Removal
from infra.environments import Environments, revision
from infra.parts.alarms import Alarms
from infra.parts.area import Area
from infra.parts.budget import Budget
from infra.parts.door import MAX_RECEIVE_COUNT, VISIBILITY_TIMEOUT
from infra.parts.image import Image
from infra.parts.inventory import Inventory
from infra.parts.job import Job
from infra.parts.lane import Lane
from infra.parts.live import Live
from infra.parts.network import Network
from infra.parts.outputs import command_outputs, lane_outputs, queue_outputs, write_outputs
from infra.parts.people import People
from infra.parts.planner import Planner
from infra.parts.queue import WorkQueue
from infra.parts.retention import RETENTION
from infra.parts.roles import Roles
from infra.parts.search import Search
from infra.parts.search_set_up import SearchSetUp
from infra.parts.storage import Storage
from infra.rights import Way, grant_area, grant_each

INDEX_PREFIX = "imagery"
REMOVALS = {Removal.RETAIN: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, Removal.DESTROY: RemovalPolicy.DESTROY}
"""A deployment that fails half-way leaves nothing: a domain that no stack knows of would cost on, unseen."""
TAG = "imagery-backfill:stack"


class _Kept(TypedDict):
    """What becomes of what a part leaves behind."""

    log_retention: aws_logs.RetentionDays
    removal: RemovalPolicy


class BackfillStack(Stack):
    """Everything beside one bucket of imagery, in one region."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: DeploySettings) -> None:
        """Put the parts together, those first that others are told of."""
        super().__init__(scope, construct_id, description=f"Searchable labels of the imagery in {settings.bucket}")
        self._settings = settings
        self._removal = REMOVALS[settings.removal]
        self._kept = _Kept(log_retention=RETENTION[settings.log_days], removal=self._removal)
        self._image = Image(self, "Image", build=settings.build)
        self._area = Area(self, "Area", place=settings.area_of_interest)
        self._storage = self._make_storage()
        self._roles = Roles(self, "Roles")
        self._search = self._make_search()
        self._budget = Budget(self, "Budget", removal=self._removal)
        self._environments = Environments(
            settings,
            settings_revision=self._set_up_search(),
            index_url=self._search.url,
            index_prefix=INDEX_PREFIX,
            runs_uri=self._storage.runs_uri,
            archive_uri=self._storage.archive_uri,
            budget_table=self._budget.table.table_name,
            area_of_interest=self._area.uri,
        )
        self._make_queues()
        self._make_lanes()
        self._planner_places = {
            "plan_queue_url": self._plan_queue.queue.queue_url,
            "job_queue": self._backfill.queue_arn,
            "job_definition": self._backfill.definition_name,
        }
        self._make_workers()
        self._make_alarms()
        self._grant()
        write_outputs(self, self._outputs())
        Tags.of(self).add(TAG, settings.stack)

    def _grant(self) -> None:
        grant_each(
            roles=self._roles,
            storage=self._storage,
            search=self._search,
            budget=self._budget,
            plan=Way(self._plan_queue, self._backfill, self._planner.door),
            live=Way(self._live_queue, self._live, self._live_door.door),
        )
        grant_area(self._area, roles=self._roles)

    def _make_storage(self) -> Storage:
        settings = self._settings
        return Storage(
            self,
            "Storage",
            bucket_name=settings.bucket,
            new_bucket=settings.new_bucket,
            kms_key_arns=settings.bucket_kms_key_arns,
            removal=self._removal,
            dem=settings.dem,
        )

    def _make_search(self) -> Search:
        settings, people = self._settings, None
        if not settings.domain_endpoint:
            people = People(
                self,
                "People",
                mail=settings.mail,
                user_pool_id=settings.user_pool_id,
                identity_pool_id=settings.identity_pool_id,
                people_role_arn=settings.people_role_arn,
                removal=self._removal,
            )
        self._people = people
        return Search(
            self,
            "Search",
            people=people,
            instance_type=settings.search_instance_type,
            instances=settings.search_instances,
            volume_gb=settings.search_volume_gb,
            domain_endpoint=settings.domain_endpoint,
            domain_arn=settings.domain_arn,
            **self._kept,
        )

    def _set_up_search(self) -> str:
        """Have indices and roles made; gives the revision of the settings, later with every change of them."""
        return SearchSetUp(
            self,
            "SearchSetUp",
            code=self._image.code("lambdas.set_up_search.handler"),
            role=self._search.master,
            index_url=self._search.url,
            index_prefix=INDEX_PREFIX,
            writers=self._roles.workers,
            readers=self._roles.readers,
            people=self._people_roles(),
            revision=revision(self._settings, area_digest=self._area.digest),
            rebuild=self._settings.rebuild_index,
            **self._kept,
        ).settings_revision

    def _people_roles(self) -> tuple[aws_iam.IRole, ...]:
        """Whoever looks at Dashboards; of a domain of the user's, whom the settings name, if anybody."""
        if self._people:
            return (self._people.role,)
        arn = self._settings.people_role_arn
        return (aws_iam.Role.from_role_arn(self, "PeopleRole", arn),) if arn else ()

    def _make_queues(self) -> None:
        queue = partial(WorkQueue, self, visibility_timeout=VISIBILITY_TIMEOUT, max_receive_count=MAX_RECEIVE_COUNT)
        self._plan_queue, self._live_queue = queue("PlanQueue"), queue("LiveQueue")

    def _make_lanes(self) -> None:
        """Divide ``max_vcpus``, which is the cap over everything."""
        settings = self._settings
        lane = partial(Lane, self, network=Network(self, "Network"))
        self._backfill = lane(
            "BackfillLane",
            definition_name=f"{settings.stack}-backfill",
            max_vcpus=settings.max_vcpus - settings.live_vcpus,
            spot=settings.capacity is Capacity.SPOT,
        )
        self._live = lane(
            "LiveLane", definition_name=f"{settings.stack}-live", max_vcpus=settings.live_vcpus, spot=False
        )

    def _make_workers(self) -> None:
        environments, roles = self._environments, self._roles
        job = partial(Job, self, image=self._image.container, **self._kept)
        job(
            "BackfillJob",
            name=self._backfill.definition_name,
            role=roles.backfill_job,
            environment=environments.backfill_job(**self._planner_places),
        )
        job(
            "LiveJob",
            name=self._live.definition_name,
            role=roles.live_job,
            environment=environments.live_job(live_queue_url=self._live_queue.queue.queue_url),
        )
        self._planner = Planner(
            self,
            "Planner",
            queue=self._plan_queue,
            reports=self._storage.reports,
            code=self._image.code("lambdas.plan_inventory.handler"),
            role=roles.planner,
            environment=environments.planner(**self._planner_places),
            **self._kept,
        )
        self._make_live()
        Inventory(
            self,
            "Inventory",
            imagery=self._storage.imagery,
            reports=self._storage.reports,
            stack=self._settings.stack,
            code=self._image.code("lambdas.set_up_inventory.handler"),
            **self._kept,
        )

    def _make_live(self) -> None:
        settings = self._settings
        self._live_door = Live(
            self,
            "Live",
            queue=self._live_queue,
            imagery=self._storage.imagery,
            code=self._image.code("lambdas.on_object.handler"),
            role=self._roles.live,
            environment=self._environments.live(
                live_job_queue=self._live.queue_arn,
                live_job_definition=self._live.definition_name,
                max_live_bytes=settings.max_live_bytes,
            ),
            max_concurrency=settings.live_vcpus,
            **self._kept,
        )

    def _make_alarms(self) -> None:
        plan, live = self._plan_queue, self._live_queue
        Alarms(
            self,
            "Alarms",
            stack=self._settings.stack,
            mail=self._settings.mail,
            queues={"Planning": plan.queue, "Live": live.queue},
            dead_letters={"Planning": plan.dead_letters, "Live": live.dead_letters},
            functions={"Planning": self._planner.door.function, "Live": self._live_door.door.function},
            job_queues={"Backfill": self._backfill.queue_arn, "Live": self._live.queue_arn},
            **self._kept,
        )

    def _outputs(self) -> dict[Output, str]:
        storage, environments = self._storage, self._environments
        return {
            Output.IMAGERY_BUCKET: storage.imagery.bucket_name,
            Output.REPORTS_BUCKET: storage.reports.bucket_name,
            Output.RUNS_URI: storage.runs_uri,
            Output.ARCHIVE_URI: storage.archive_uri,
            Output.DASHBOARDS_URL: self._search.dashboards_url,
            Output.INDEX_URL: self._search.url,
            Output.INDEX_PREFIX: INDEX_PREFIX,
            Output.BUDGET_TABLE: self._budget.table.table_name,
            Output.OPERATOR_ROLE: self._roles.operator.role_arn,
            Output.SETTINGS: self.to_json_string(environments.planner(**self._planner_places)),
            **queue_outputs(plan=self._plan_queue, live=self._live_queue),
            **lane_outputs(backfill=self._backfill, live=self._live),
            **command_outputs(self._settings.stack),
        }
