"""Downloads: resumed, checked, atomic, with a progress bar and a plain word when offline."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from urllib.parse import parse_qsl, urlencode, urlsplit

from filelock import FileLock

from vidlab.core.addresses import RefusedAddressError, opener, refusal
from vidlab.core.console import progress, say
from vidlab.core.dependencies import require
from vidlab.core.errors import DownloadError, LimitError, OfflineError, WeightsError
from vidlab.core.files import cache_dir, sha256_of
from vidlab.core.limits import current_limits
from vidlab.models.archives import unpack
from vidlab.models.card import DIRECTORY_FORMATS, ModelCard, Variant
from vidlab.models.lookup import cache_path, check, same_checksum

_PIECE_BYTES = 1 << 18
_TIMEOUT_SECONDS = 30.0

# What a model of transformers' is made of: settings, words, weights.
_HUB_FILES = ("*.json", "*.txt", "*.safetensors", "pytorch_model*.bin")


def download_variant(card: ModelCard, variant: Variant) -> Path:
    """Bring a variant into the cache and return its path.

    Raises:
        OfflineError: The network cannot be reached.
        DownloadError: The answer was an error, was cut short, or is not the right file.
    """
    target = cache_path(variant)
    if variant.url is not None:
        download(variant.url, target, sha256=variant.sha256, title=f"{card.name} ({variant.name})")
        return target
    if variant.handle is not None and variant.format == "transformers":
        return hugging_face_directory(variant.handle, target)
    if variant.handle is not None:
        return _from_kaggle(variant.handle, target, variant)
    raise DownloadError(
        f"{card.name} ({variant.name}) has no address to download from. Put {variant.file} into "
        "a directory and set VIDLAB_MODELS to it."
    )


def download(url: str, target: Path, *, sha256: str | None, title: str) -> None:
    """Download one file; a part that is already here is continued.

    The bytes go to ``<target>.part``, which survives a cut and is continued by the next call;
    only a whole, checked file gets the target's name. A lock keeps two processes apart.

    Args:
        url: http(s) address. Where it leads is checked: :mod:`vidlab.core.addresses`.
        target: Where the file goes.
        sha256: Expected checksum, or its beginning; None accepts what comes.
        title: What it is, for the progress bar and errors.

    Raises:
        OfflineError: The network cannot be reached.
        LimitError: There is more than :func:`vidlab.limits` lets in.
        DownloadError: See the message; nothing wrong is left under `target`.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"Only http(s) addresses are downloaded; got {url!r}.")
    if why := refusal(url):
        raise DownloadError(f"{url!r} is not downloaded: {why}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.is_file() and (sha256 is None or same_checksum(sha256_of(target), sha256)):
                return  # another process was first
            part = target.with_name(target.name + ".part")
            if sha256 is None:
                part.unlink(missing_ok=True)  # nothing would tell two joined files from one
            elif part.is_file() and same_checksum(sha256_of(part), sha256):
                part.replace(target)  # a process was killed between the last byte and the name
                return
            say(f"downloading {title} from {url}")
            try:
                _fetch(url, part, title=title)
            except LimitError:
                part.unlink(missing_ok=True)  # nobody goes on with that
                raise
            if sha256 is not None and not same_checksum(got := sha256_of(part), sha256):
                part.unlink()
                raise DownloadError(
                    f"{url} gave a file with SHA-256 {got}, expected {sha256}. It was thrown "
                    f"away; put the right {target.name} into a directory and set VIDLAB_MODELS."
                )
            part.replace(target)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url} answered {error.code} {error.reason}.") from error
    except RefusedAddressError as error:
        raise DownloadError(f"{url} is not downloaded: {error}.") from error
    except urllib.error.URLError as error:
        raise _offline(url, target.name, error.reason) from error
    except (TimeoutError, ConnectionError, HTTPException) as error:
        raise DownloadError(
            f"The download of {url} was cut ({error}). Run it again: it goes on where it stopped."
        ) from error
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"Cannot write {str(target)!r}: {error}.") from error


def _fetch(url: str, part: Path, *, title: str) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "vidlab"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        response: HTTPResponse = opener().open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the part is as long as the file, and yet not it
            raise
        part.unlink()
        _fetch(url, part, title=title)
        return
    with response:
        if response.status != 206:
            have = 0  # the server starts anew, so must we
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        limits, has = current_limits(), f"{url} has bytes, at least"
        limits.check("max_download_bytes", total or 0, what=has)
        with (
            open(part, "ab" if have else "wb") as stream,
            progress(total=total, initial=have, desc=title, unit="B", unit_scale=True) as bar,
        ):
            while piece := response.read(_PIECE_BYTES):
                limits.check("max_download_bytes", stream.tell() + len(piece), what=has)
                stream.write(piece)
                bar.update(len(piece))
        size = part.stat().st_size
        if total is not None and size != total:
            raise ConnectionError(f"{size} of {total} bytes came")


def _from_kaggle(handle: str, target: Path, variant: Variant) -> Path:
    """Copy what kagglehub brings into the cache: whole and checked, or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.exists():
                return target  # another process was first
            folder = kaggle_directory(handle, file=variant.file)
            source = _weights_in(folder, handle, variant)
            with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as work:
                copy = Path(work, target.name)
                if variant.is_directory:
                    shutil.copytree(source, copy)
                else:
                    shutil.copyfile(source, copy)
                copy.replace(target)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"Cannot write {str(target)!r}: {error}.") from error
    return target


def _weights_in(folder: Path, handle: str, variant: Variant) -> Path:
    """Return the SavedModel or the LiteRT file in what kagglehub brought."""
    name = DIRECTORY_FORMATS.get(variant.format, "*.tflite")
    files = [item for item in folder.rglob(name) if item.is_file()]
    if len(files) != 1:
        raise DownloadError(f"{handle} was expected to hold one {name}; it holds {len(files)}.")
    source = files[0].parent if variant.is_directory else files[0]
    try:
        check(
            variant,
            source,
            remedy=f"Delete {str(folder)!r} and run it again, or put the right {variant.file} "
            "into a directory and set VIDLAB_MODELS.",
        )
    except WeightsError as error:
        raise DownloadError(f"Kaggle Models gave another {handle}: {error}") from error
    return source


def kaggle_directory(handle: str, *, file: str = "its SavedModel") -> Path:
    """Return the local directory of a Kaggle Models handle, downloaded by kagglehub.

    Raises:
        MissingDependencyError: kagglehub is not installed.
        DownloadError: The handle is wrong, or access was refused.
        OfflineError: The network cannot be reached.
    """
    kagglehub = require("kagglehub", why="downloading from Kaggle Models")
    import requests  # a dependency of kagglehub

    say(f"downloading {handle} from Kaggle Models")
    try:
        return Path(kagglehub.model_download(handle))
    except requests.exceptions.ConnectionError as error:
        raise _offline(f"kaggle.com ({handle})", file, error) from error
    except Exception as error:  # kagglehub's own have no common ancestor; also requests', tarfile's
        raise DownloadError(f"Kaggle Models gave no {handle}: {error}") from error


def hub_directory(address: str) -> Path:
    """Return the local directory of a TF-Hub address, downloaded and unpacked into the cache.

    What tensorflow_hub itself has brought into ``$TFHUB_CACHE_DIR`` is taken from there.

    Raises:
        MissingDependencyError: tensorflow_hub is not installed.
        DownloadError: There is no such model, or what came is no archive, or one with links or
            with paths that lead out of its folder.
        LimitError: There is more in it than :func:`vidlab.limits` lets in.
        OfflineError: The network cannot be reached.
    """
    require("tensorflow_hub", why="a TF-Hub address")  # told before anything is downloaded
    if (kept := _kept_by_tensorflow_hub(address)) is not None:
        return kept
    target = cache_dir() / "tfhub" / hashlib.sha256(address.encode()).hexdigest()[:32]
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_dir():  # else another process was first
                with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as work:
                    archive, folder = Path(work, "archive"), Path(work, "model")
                    download(_compressed(address), archive, sha256=None, title=address)
                    unpack(archive, folder, what=address)
                    folder.replace(target)
    except OfflineError as error:
        raise OfflineError(
            f"{address} cannot be fetched ({error.__cause__}). Without a network: unpack it into a "
            "directory and pass that directory to load_model."
        ) from error
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"Cannot write {str(target)!r}: {error}.") from error
    return target


def _kept_by_tensorflow_hub(address: str) -> Path | None:
    """Return where tensorflow_hub has a model (its ``compressed_module_resolver.py``), or None."""
    place = os.environ.get("TFHUB_CACHE_DIR")
    name = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    folder = Path(place, name) if place else None
    return folder if folder and (folder / DIRECTORY_FORMATS["savedmodel"]).is_file() else None


def _compressed(address: str) -> str:
    """Return the address of a model's archive (tensorflow.org/hub/hosting)."""
    parts = urlsplit(address)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("tf-hub-format", "compressed")]
    return parts._replace(query=urlencode(query)).geturl()


def hugging_face_directory(repository: str, target: Path | None = None) -> Path:
    """Return the local directory of a repository on the Hugging Face Hub.

    Args:
        repository: ``owner/name``.
        target: Where it goes; None takes a place in the cache after its name. It gets there whole
            or not at all; what came before a cut is kept beside it, and continued.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
        DownloadError: There is no such repository, it is not open to all, or it was cut.
        OfflineError: The network cannot be reached.
    """
    hub = require("huggingface_hub", why="downloading from the Hugging Face Hub")
    name = repository.replace("/", "--")
    target = cache_dir() / "huggingface" / name if target is None else target
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_dir():  # else another process was first
                say(f"downloading {repository} from the Hugging Face Hub")
                part = target.with_name(f"{target.name}.part")
                _fetch_repository(hub, repository, part, target.name)
                part.replace(target)
    except (DownloadError, LimitError):
        raise
    except hub.errors.LocalEntryNotFoundError as error:
        raise _offline(f"huggingface.co ({repository})", target.name, error.__cause__) from error
    except hub.errors.HfHubHTTPError as error:
        raise DownloadError(f"The Hugging Face Hub gave no {repository}: {error}") from error
    except Exception as error:  # the network library's own; which one is up to huggingface_hub
        raise DownloadError(
            f"The download of {repository} did not succeed ({error}). Run it again: it goes on "
            "where it stopped."
        ) from error
    return target


def _fetch_repository(hub: ModuleType, repository: str, part: Path, file: str) -> None:
    """Bring a repository into `part`, or continue there.

    What there is to bring is asked for first: without an answer `snapshot_download` is content
    with whatever lies in `part` already.
    """
    try:
        info = hub.HfApi().model_info(repository, files_metadata=True, timeout=_TIMEOUT_SECONDS)
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError):
        raise
    except Exception as error:  # the network library's own: nobody answered
        raise _offline(f"huggingface.co ({repository})", file, error) from error
    entries = list(
        hub.utils.filter_repo_objects(
            info.siblings, allow_patterns=_HUB_FILES, key=lambda entry: entry.rfilename
        )
    )
    size = sum(entry.size or 0 for entry in entries)
    current_limits().check("max_download_bytes", size, what=f"{repository} has bytes:")
    hub.snapshot_download(repository, revision=info.sha, local_dir=part, allow_patterns=_HUB_FILES)
    for entry in entries:
        path = part / entry.rfilename
        if not path.is_file() or entry.size not in (None, path.stat().st_size):
            path.unlink(missing_ok=True)
            raise DownloadError(
                f"{entry.rfilename} of {repository} did not come whole. Run it again: it goes on "
                "where it stopped."
            )
    shutil.rmtree(part / ".cache", ignore_errors=True)  # what the library knows of the way here


def _offline(what: str, file: str, reason: object) -> OfflineError:
    return OfflineError(
        f"{what} cannot be reached ({reason}). Without a network: put {file} into a directory "
        "and set VIDLAB_MODELS to that directory."
    )
