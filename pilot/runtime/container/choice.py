"""Which container a job gets: decided from the job, its queue and the site's settings, without looking at the node."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Optional

from pilot.contract import catchall
from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container import options
from pilot.runtime.container.asked import NOTHING, Asked, check_said, read_asked
from pilot.runtime.container.values import Container, Runtime

if TYPE_CHECKING:
    from pilot.contract.job import JobSpec
    from pilot.contract.queue import QueueData
    from pilot.settings import sections

#: The word of ``container_type`` that means payloads; `middleware` has the one for copies.
_OURS = "pilot"
#: PanDA's older names for the options of a queue.
_IN_CATCHALL = ("apptainer_options", "singularity_options")
#: Beginnings of addresses that images are fetched from, by who can.
_SCHEMES = {
    Runtime.APPTAINER: ("docker", "oras", "library"),
    Runtime.SINGULARITY: ("docker", "oras", "library"),
    Runtime.PODMAN: ("docker",),
}


def choose(spec: JobSpec, queue: QueueData, site: sections.Container) -> Optional[Container]:
    """Answer the container that a job's payload runs in; ``None``: on the node itself.

    Raises:
        JobFailed: the job wants a container and the queue is not set up for any (QUEUE_WITHOUT_CONTAINERS), the site
            runs nothing without one (BAD_JOB_DEFINITION), the image is not one that may be run (IMAGE_NOT_FOUND), the
            job asks for what it may not have (CONTAINER_NOT_PERMITTED), or queue or settings say something that
            cannot be meant (BAD_QUEUE_CONFIGURATION, BAD_CONFIGURATION).
    """
    runtime = runtime_of(queue, site)
    if runtime is None:
        if spec.container or site.required:
            who = f"the job asks for the image {spec.container!r}" if spec.container else "container.required is set"
            words = f"{who}, and container_type of queue {queue.name} names no runtime for the pilot (apptainer:pilot)"
            raise JobFailed(ErrorCode.QUEUE_WITHOUT_CONTAINERS, words)
        return None
    name = spec.container or site.image
    if not name:
        if site.required:
            words = "container_name: the job names no image, and this site runs nothing without (container.required)"
            raise JobFailed(ErrorCode.BAD_JOB_DEFINITION, words)
        return None
    if spec.container_script and spec.programs and (site.required or site.image):
        words = f"{', '.join(spec.programs)}: beside containerOptions.containerExec they would run on the node itself, "
        words += "where this site runs nothing of a job's (container.required, container.image)"
        raise JobFailed(ErrorCode.CONTAINER_NOT_PERMITTED, words)
    image = image_of(name, queue, site, runtime)
    return container_of(runtime, image, queue, site, read_asked(spec.container_options, runtime, site))


def container_of(
    runtime: Runtime, image: str, queue: QueueData, site: sections.Container, asked: Asked = NOTHING
) -> Container:
    """Answer the container that site, queue and job describe, with an image; what is said later wins.

    Raises:
        JobFailed: options or binds cannot be meant (BAD_QUEUE_CONFIGURATION), or the job would have it otherwise than
            queue or site have said (CONTAINER_NOT_PERMITTED).
    """
    from_queue = options_of(queue, runtime)
    from_site = options.read_words(site.options, runtime, "container.options")
    check_said([*from_site.words, *from_queue.words], asked)
    binds = (options.read_bind(text, "container.binds") for text in site.binds)
    return Container(
        runtime=runtime,
        image=image,
        program=site.program,
        binds=(*binds, *from_site.binds, *from_queue.binds, *asked.binds),
        cvmfs=site.cvmfs,
        also_at=site.also_at,
        isolation=site.isolation,
        userns=site.userns or "--userns" in asked.words,
        gpu=site.gpu,
        options=(*from_site.words, *from_queue.words, *(word for word in asked.words if word != "--userns")),
        environment=asked.environment,
    )


def options_of(queue: QueueData, runtime: Runtime) -> options.Options:
    """Answer a queue's own options: ``container_options``; without them, what ``catchall`` says for Apptainer.

    Raises:
        JobFailed: they cannot be meant (BAD_QUEUE_CONFIGURATION).
    """
    if queue.container_options or runtime is Runtime.PODMAN:
        return options.read_text(queue.container_options, runtime, f"container_options of queue {queue.name}")
    said = catchall.words(queue.catchall)
    for name in _IN_CATCHALL:
        if said.get(name):
            return options.read_text(said[name], runtime, f"{name} in catchall of queue {queue.name}")
    return options.Options()


def runtime_of(queue: QueueData, site: sections.Container) -> Optional[Runtime]:
    """Answer what the pilot starts containers with on a queue; ``None`` when it starts none.

    ``container_type`` is PanDA's: ``apptainer:pilot;docker:wrapper``, of which only the pilot's part counts. The site's
    setting ``container.runtime`` has the last word on which program it is.

    Raises:
        JobFailed: the pilot's part names a runtime that it cannot start, or a part has no user
            (BAD_QUEUE_CONFIGURATION).
    """
    name = named_for(_OURS, queue)
    if name is None:
        return None
    if site.runtime != "auto":
        return Runtime(site.runtime)
    try:
        return Runtime(name.lower())
    except ValueError:
        known = ", ".join(runtime.value for runtime in Runtime)
        words = f"container_type of queue {queue.name}: {name!r} is not a runtime that this pilot starts ({known})"
        raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words) from None


def named_for(user: str, queue: QueueData) -> Optional[str]:
    """Answer what a queue's ``container_type`` names for a user; ``None`` when it names nothing.

    Raises:
        JobFailed: a part has no user (BAD_QUEUE_CONFIGURATION).
    """
    for part in filter(None, (part.strip() for part in queue.container_type.split(";"))):
        name, colon, said = (word.strip() for word in part.partition(":"))
        if not colon or not said:
            words = f"container_type of queue {queue.name}: {part!r} is not runtime:user, such as apptainer:pilot"
            raise JobFailed(ErrorCode.BAD_QUEUE_CONFIGURATION, words)
        if said == user:
            return name
    return None


def image_of(name: str, queue: QueueData, site: sections.Container, runtime: Runtime) -> str:
    """Answer the path or address of an image. A relative name lies in the folder of images (``IMAGE_BASE``).

    Raises:
        JobFailed: it is not one that may be run here (IMAGE_NOT_FOUND).
    """
    if "://" in name:
        scheme = name.partition("://")[0]
        if scheme not in _SCHEMES[runtime]:
            words = f"image {name!r}: {runtime.value} gets images from {', '.join(_SCHEMES[runtime])} only"
            raise JobFailed(ErrorCode.IMAGE_NOT_FOUND, words)
        whole = name
    else:
        base = image_base(queue) or site.image_base
        if not name.startswith("/") and not base:
            words = f"image {name!r} is neither a path nor an address, and container.image_base is not set"
            raise JobFailed(ErrorCode.IMAGE_NOT_FOUND, words)
        whole = posixpath.normpath(posixpath.join(base, name))
    if ".." in whole.split("/") or not any(_begins_with(whole, allowed) for allowed in site.images):
        words = f"image {whole!r} is not one that this site runs (container.images: {', '.join(site.images)})"
        raise JobFailed(ErrorCode.IMAGE_NOT_FOUND, words)
    return whole


def image_base(queue: QueueData) -> str:
    """Answer the folder of images that a queue names in its ``catchall`` (``IMAGE_BASE=/cvmfs/...``), or ``""``."""
    return catchall.words(queue.catchall).get("IMAGE_BASE", "")


def _begins_with(whole: str, allowed: str) -> bool:
    """Whether an image is what is allowed, or lies below it: ``/cvmfs/a`` does not allow ``/cvmfs/ab``."""
    return whole == allowed or whole.startswith(allowed if allowed.endswith("/") else allowed + "/")
