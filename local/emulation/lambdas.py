"""Image Lambdas as warm local workers: the image is this interpreter, its command names the handler."""

import io
import zipfile
from typing import Any

from ministack.services import lambda_svc

from local.emulation.addresses import reachable

RUNTIME = "python3.12"
"""Any Python that the emulator knows; its workers are its own interpreter."""


def install() -> None:
    """Run image functions here; zip functions stay as they were."""
    in_docker = lambda_svc._execute_function_docker

    def execute(function: dict[str, Any], event: Any, request_id: str) -> Any:
        config = function.get("config") or function
        if config.get("PackageType") != "Image":
            return in_docker(function, event, request_id)
        command = config.get("ImageConfigResponse", {}).get("ImageConfig", {}).get("Command")
        if not command:
            return _failure(
                f"the image function {config['FunctionName']} names no handler: ImageConfig.Command is empty"
            )
        variables = reachable(config.get("Environment", {}).get("Variables", {}))
        local = {**config, "Runtime": RUNTIME, "Handler": command[0], "Environment": {"Variables": variables}}
        return lambda_svc._execute_function_warm({**function, "config": local, "code_zip": EMPTY}, event, request_id)

    lambda_svc._execute_function_docker = execute


def _failure(message: str) -> dict[str, Any]:
    return {"body": {"errorMessage": message, "errorType": "Runtime.InvalidEntrypoint"}, "error": True}


def _empty_zip() -> bytes:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    return packed.getvalue()


EMPTY = _empty_zip()
"""The code of an image function is the working tree, found by ``PYTHONPATH``."""
