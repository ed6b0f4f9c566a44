"""All that the command imports, loaded ahead: for processes that fork it and so need not wait."""

import gc
import importlib

import boto3
import botocore.loaders
import botocore.session

from tests.crash.effects import modules

# What a node imports of others while it starts, besides what the product's modules import.
_LATE = (
    "anyio._backends._asyncio",
    "encodings.idna",
    "pydantic.type_adapter",
    "typer._adapters",
    "typer._click.decorators",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.auto",
    "yaml",
)


def load() -> None:
    """Import every module of the product; what botocore reads of its models is kept, too."""
    for name in (*modules(), *_LATE):
        importlib.import_module(name)
    loader = botocore.loaders.create_loader()
    botocore.session.create_loader = lambda *_: loader
    for service in ("dynamodb", "dynamodbstreams"):
        boto3.client(service, "eu-west-1", aws_access_key_id="", aws_secret_access_key="")


def freeze() -> None:
    """From now on no collection of a fork looks at what it inherited, nor copies it by that."""
    gc.collect()
    gc.freeze()
