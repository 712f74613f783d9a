"""Planning as a Batch job: CSVs that are too large for a Lambda's time."""

import os
from dataclasses import dataclass

import structlog

from batch_job.backfill.messages import PlanFile
from batch_job.backfill.orders import EndAtOnce, Orders
from batch_job.backfill.planner import Planner
from batch_job.errors import BackfillError, ConflictError, TransientError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PlanJob:
    """One CSV, and who plans it."""

    planner: Planner
    wanted: PlanFile
    orders: Orders

    def run(self) -> int:
        """Plan it; gives the exit code. A pause does not hold planning back: it pays for nothing."""
        try:
            self.planner.plan_file(self.wanted)
        except ConflictError as error:
            # whoever has it comes back after a failure, by itself or by Batch or its queue; it is not for us to wait
            return self._left(error, os.EX_OK)
        except BackfillError as error:
            return self._left(error, error.exit_code)
        except EndAtOnce as error:
            return self._left(error, TransientError.exit_code)
        except Exception:
            log.exception("plan.defect", run_id=self.wanted.run_id, file=self.wanted.file_id)
            return os.EX_SOFTWARE
        return os.EX_OK

    def _left(self, error: BaseException, exit_code: int) -> int:
        said = f"{type(error).__name__}: {error}"
        log.warning("plan.left", run_id=self.wanted.run_id, file=self.wanted.file_id, error=said, exit_code=exit_code)
        return exit_code
