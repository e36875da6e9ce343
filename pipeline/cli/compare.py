"""`segnet compare`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

import torch
import typer
from rich.console import Console

from pipeline.cli import completion
from pipeline.core.models import MODELS
from pipeline.files.terminal import say, say_json
from pipeline.inference import compare as step


@dataclass(frozen=True)
class Published:
    """The paper's figures: Table 6 (batches as here, 360x480, unnamed GPU), Table 1 (NVIDIA Titan)."""

    forward_ms: float
    backward_ms: float | None = None
    training_mb: float | None = None
    inference_mb: float | None = None
    model_mb: float | None = None
    parameters_m: float | None = None


PAPERS = (360, 480, 1.0)
"""Height and width of the images, and the factor on channels, that `PUBLISHED` is of."""
PUBLISHED = {
    "segnet": Published(422.50, 488.71, 6803, 1052, 117),
    "deeplab_largefov": Published(110.06, 160.73, 5618, 1993, 83),
    "fcn": Published(317.09, 484.11, 9735, 1806, 539),
    "deconvnet": Published(474.65, 602.15, 9731, 1872, 877),
    "bilinear": Published(24.2, parameters_m=0.625),
    "segnet_basic": Published(52.6, parameters_m=1.425),
    "segnet_basic_encoder_addition": Published(53.0, parameters_m=1.425),
    "segnet_basic_single_channel_decoder": Published(33.1, parameters_m=0.625),
    "fcn_basic": Published(24.2, parameters_m=0.65),
    "fcn_basic_no_addition": Published(23.8, parameters_m=0.65),
    "fcn_basic_no_dim_reduction": Published(44.8, parameters_m=1.625),
    "fcn_basic_no_addition_no_dim_reduction": Published(43.9, parameters_m=1.625),
}


def compare(
    networks: Annotated[
        list[str] | None,
        typer.Argument(help="Names as in params.yaml; default: all.", autocompletion=completion.networks),
    ] = None,
    *,
    height: Annotated[int, typer.Option(help="Image height, pixels.")] = 360,
    width: Annotated[int, typer.Option(help="Image width, pixels.")] = 480,
    channels: Annotated[float, typer.Option(help="Factor on every channel count, as model.width.")] = 1.0,
    repeats: Annotated[int, typer.Option(help="Repetitions of each timing; the fastest counts.")] = 5,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure the cost of networks: the columns of the paper's Table 6, at its size with its figures in brackets."""
    try:
        subjects = {name: step.subject(name) for name in networks or MODELS}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    setting = step.Setting(height, width, channels, repeats, device)
    costs = measured(subjects, setting)
    if json:
        say_json(as_json(costs, setting))
    else:
        say(*table(costs, setting).splitlines())


def measured(subjects: dict[str, step.Subject], setting: step.Setting) -> dict[str, step.Cost]:
    """Return the cost of each subject; show progress on the terminal."""
    console = Console(stderr=True)
    costs: dict[str, step.Cost] = {}
    names = iter(subjects)
    with console.status(f"1/{len(subjects)} {next(names)}") as status:
        for name, cost in step.run(subjects, setting):
            costs[name] = cost
            console.print(f"{len(costs)}/{len(subjects)} {name}: forward {cost.forward_ms:.0f} ms", highlight=False)
            status.update(f"{len(costs) + 1}/{len(subjects)} {next(names, '')}")
    return costs


def as_json(costs: dict[str, step.Cost], setting: step.Setting) -> dict[str, object]:
    """Return the figures with the setting and the machine that they were measured on."""
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if setting.device == "cuda" else "cpu",
    }
    networks = {name: asdict(cost) for name, cost in costs.items()}
    return {"setting": asdict(setting), "machine": machine, "networks": networks}


def table(costs: Mapping[str, step.Cost], setting: step.Setting) -> str:
    """Return a Markdown table; the paper's figure, if it has one of the same setting, follows ours in brackets."""
    is_papers = (setting.height, setting.width, setting.channels) == PAPERS

    def cell_of(value: float, name: str, field: str, digits: int = 0) -> str:
        published = getattr(PUBLISHED.get(name), field, None) if is_papers else None
        ours = "not measured" if value != value else f"{value:.{digits}f}"
        return ours if published is None else f"{ours} [{published:g}]"

    columns: dict[str, Callable[[str, step.Cost], str]] = {
        "network": lambda name, cost: name,
        "parameters M": lambda name, cost: cell_of(cost.parameters / 1e6, name, "parameters_m", digits=3),
        "model MB": lambda name, cost: cell_of(cost.model_mb, name, "model_mb"),
        "GMACs": lambda name, cost: f"{cost.gmacs:.1f}",
        "forward ms": lambda name, cost: cell_of(cost.forward_ms, name, "forward_ms"),
        "backward ms": lambda name, cost: cell_of(cost.backward_ms, name, "backward_ms"),
        "inference MB": lambda name, cost: cell_of(cost.inference_mb, name, "inference_mb"),
        "training MB": lambda name, cost: cell_of(cost.training_mb, name, "training_mb"),
        "index kB": lambda name, cost: f"{cost.index_bytes / 1e3:.0f}",
        "of matrix rate": lambda name, cost: f"{cost.matrix_share:.0%}",
    }
    rows = [list(columns), ["---", *["---:"] * (len(columns) - 1)]]
    rows += [[cell(name, cost) for cell in columns.values()] for name, cost in costs.items()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
