"""Small files of every format, made here from one asymmetric image, so that a flip or a transposition shows."""

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

PIXEL_NM = 0.25


def _tiff(path: Path, stack: np.ndarray) -> None:
    tifffile.imwrite(path, stack, imagej=True, resolution=(1 / PIXEL_NM, 1 / PIXEL_NM), metadata={"unit": "nm"})


def _mrc(path: Path, stack: np.ndarray) -> None:
    with mrcfile.new(path) as mrc:
        mrc.set_data(stack if len(stack) > 1 else stack[0])
        mrc.voxel_size = 10 * PIXEL_NM


def _velox(path: Path, stack: np.ndarray) -> None:
    record = (
        '{"BinaryResult": {"PixelSize": {"width": "2.5e-10", "height": "2.5e-10"}, "PixelUnitX": "m",'
        ' "PixelUnitY": "m", "Detector": "HAADF"}, "Optics": {"AccelerationVoltage": "200000"}, "Detectors": {},'
        ' "Scan": {"FrameTime": "1.5"}, "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "0"}},'
        ' "Stage": {"AlphaTilt": "%r"}}'
    )
    texts = [(record % float(np.radians(10.0 * index))).encode().ljust(600, b"\0") for index in range(len(stack))]
    with h5py.File(path, "w") as file:
        file.create_dataset("Version", data=[b'{"format": "Velox", "version": "11"}'])
        group = file.create_group("Data/Image/0123")
        group.create_dataset("Data", data=np.moveaxis(stack, 0, -1), chunks=(*stack.shape[1:], 1))
        group["Metadata"] = np.stack([np.frombuffer(text, np.uint8) for text in texts], axis=-1)


def _hyperspy(path: Path, stack: np.ndarray) -> None:
    data = stack if len(stack) > 1 else stack[0]
    with h5py.File(path, "w") as file:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": "3.3"})
        group = file.create_group("Experiments/image")
        group.create_dataset("data", data=data, chunks=(1,) * (data.ndim - 2) + data.shape[-2:])
        group.create_group("metadata")
        group.create_group("original_metadata")
        for index in range(data.ndim):
            axis = group.create_group(f"axis-{index}").attrs
            is_frame = data.ndim == 3 and index == 0
            axis.update({"scale": 1.0 if is_frame else PIXEL_NM, "units": "" if is_frame else "nm", "offset": 0.0})
            axis.update({"navigate": is_frame, "size": data.shape[index]})


def _ser(path: Path, stack: np.ndarray) -> None:
    """Write what TIA writes: the rows from the bottom, which is the order of `stack` here."""
    n_rows, n_cols = stack.shape[1:]
    element = struct.pack("<ddIddIHII", 0, PIXEL_NM * 1e-9, 0, 0, PIXEL_NM * 1e-9, 0, 2, n_cols, n_rows)
    elements = [element + frame.astype("<u2").tobytes() + bytes(8) for frame in stack]
    axis = struct.pack("<IddII6sI", len(stack), 0, 1, 0, 6, b"Number", 0)
    table = 30 + len(axis)
    offsets = table + 8 * len(stack) + np.arange(len(stack)) * len(elements[0])
    head = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x210, 0x4122, 0x4152, len(stack), len(stack), table, 1)
    path.write_bytes(head + axis + offsets.astype("<u4").tobytes() + bytes(4 * len(stack)) + b"".join(elements))


def _dm_tag(version: int, name: str, kind: int, body: bytes) -> bytes:
    size = struct.pack(">Q", len(body)) if version == 4 else b""
    return struct.pack(">BH", kind, len(name)) + name.encode("latin-1") + size + body


def _dm_value(version: int, name: str, value: object, order: str) -> bytes:
    word = ">Q" if version == 4 else ">I"
    if isinstance(value, str):
        info, raw = [20, 4, len(value)], value.encode("utf-16-le" if order == "<" else "utf-16-be")
    elif isinstance(value, np.ndarray):
        info, raw = [20, 4, value.size], value.astype(f"{order}u2").tobytes()
    elif isinstance(value, float):
        info, raw = [7], struct.pack(f"{order}d", value)
    else:
        info, raw = [5], struct.pack(f"{order}I", value)
    numbers = b"".join(struct.pack(word, number) for number in [len(info), *info])
    return _dm_tag(version, name, 21, b"%%%%" + numbers + raw)


def _dm_group(version: int, tree: dict, order: str) -> bytes:
    tags = [
        _dm_tag(version, name.lstrip("0123456789"), 20, _dm_group(version, value, order))
        if isinstance(value, dict)
        else _dm_value(version, name.lstrip("0123456789"), value, order)
        for name, value in tree.items()
    ]
    return b"\1\0" + struct.pack(">Q" if version == 4 else ">I", len(tags)) + b"".join(tags)


def _digitalmicrograph(path: Path, stack: np.ndarray, order: str = "<") -> None:
    """Write a thumbnail and the image, as DigitalMicrograph does; names that are numbers stand for no name."""
    version = int(path.suffix[-1])
    sizes = stack.shape[::-1] if len(stack) > 1 else stack.shape[:0:-1]
    axes = [{"Origin": 0.0, "Scale": PIXEL_NM, "Units": "nm"}] * 2 + [{"Origin": 0.0, "Scale": 1.0, "Units": ""}]
    image = {
        "ImageData": {
            "Calibrations": {
                "Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": ""},
                "Dimension": {str(index): axes[index] for index in range(len(sizes))},
            },
            "Data": stack,
            "DataType": 10,
            "Dimensions": {str(index): size for index, size in enumerate(sizes)},
            "PixelDepth": 2,
        },
        "ImageTags": {"Microscope Info": {"Voltage": 300000.0}},
        "Name": "image",
    }
    thumbnail = {"ImageData": {**image["ImageData"], "Data": stack[0], "Dimensions": {"0": 9, "1": 6}}, "ImageTags": {}}
    tree = {"ImageList": {"0": thumbnail, "1": image}, "Thumbnails": {"0": {"ImageIndex": 0}}}
    body = _dm_group(version, tree, order)
    path.write_bytes(struct.pack(">IQI" if version == 4 else ">III", version, len(body), order == "<") + body)


def _emd(path: Path, stack: np.ndarray) -> None:
    names, units = ["z", "y", "x"], ["", "n_m", "n_m"]
    data = stack if len(stack) > 1 else stack[0]
    with h5py.File(path, "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        group = file.create_group("data/image")
        group.attrs["emd_group_type"] = 1
        group["data"] = data
        for index, size in enumerate(data.shape):
            dim = group.create_dataset(f"dim{index + 1}", data=np.arange(size) * PIXEL_NM)
            dim.attrs.update({"name": names[index - data.ndim], "units": units[index - data.ndim]})


def _picture(path: Path, stack: np.ndarray) -> None:
    Image.fromarray(stack[0].astype(np.uint8)).save(path)


WRITERS: dict[str, Callable[..., None]] = {
    "a.tif": _tiff,
    "a.mrc": _mrc,
    "a.dm3": _digitalmicrograph,
    "a.dm4": _digitalmicrograph,
    "velox.emd": _velox,
    "berkeley.emd": _emd,
    "a.hspy": _hyperspy,
    "a_1.ser": _ser,
    "a.png": _picture,
    "a.jpg": _picture,
}


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """Three frames of 6 x 9 pixels in which no flip, turn or transposition leaves anything as it is."""
    return (np.arange(3 * 6 * 9, dtype=np.uint16).reshape(3, 6, 9) * 37 + 5) % 251


@pytest.fixture
def write(tmp_path: Path, stack: np.ndarray) -> Callable[..., Path]:
    """Return the function that writes a file of a name in `WRITERS`: of the first frames of `stack`, or of `pixels`."""

    def write_sample(name: str, frames: int = 1, pixels: np.ndarray | None = None, **how: str) -> Path:
        WRITERS[name](tmp_path / name, stack[:frames] if pixels is None else pixels, **how)
        return tmp_path / name

    return write_sample


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory, stack: np.ndarray) -> Path:
    """Return a folder with a small stack in each format, or an image where the format has no stacks."""
    folder = tmp_path_factory.mktemp("samples")
    for name, writer in WRITERS.items():
        writer(folder / name, stack)
    (folder / "a.xyz").write_text("3\natoms\nPt 0 0 0\nPt 2.7 0 0\nPt 0 2.7 0\n")
    return folder


@pytest.fixture(scope="session")
def native_formats(real_data: Path) -> Path:
    """Return the folder of small files of real instruments."""
    return real_data / "native_formats"
