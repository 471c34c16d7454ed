"""pgtandem render: the scripts of the phases from the mappings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from pgtandem import project, scripts, spec
from pgtandem.errors import PgtandemError
from pgtandem.project import Project

DRIFT_EXIT = 1


def _files(directory: Path, names: tuple[str, ...]) -> list[Path]:
    """The mapping files: paths, or names of mappings in mappings/; all of that folder if none."""
    if not names:
        found = sorted((directory / "mappings").glob("*.yml"))
        if not found:
            raise PgtandemError(
                f"There is no mapping in {directory / 'mappings'}.",
                hint="pgtandem new NAME --source SCHEMA.TABLE --target SCHEMA.TABLE",
            )
        return found
    folder = directory / "mappings"
    return [
        Path(name) if Path(name).is_file() or "." in name else folder / f"{name}.yml"
        for name in names
    ]


def _mappings(files: list[Path]) -> list[spec.Mapping]:
    """Read all of them, and tell the mistakes of all of them."""
    mappings: dict[str, spec.Mapping] = {}
    mistakes: list[PgtandemError] = []
    for file in files:
        try:
            mapping = spec.load(file)
        except PgtandemError as error:
            mistakes.append(error)
            continue
        if mapping.name in mappings:
            mistakes.append(PgtandemError(f'{file} is a second mapping named "{mapping.name}".'))
        mappings[mapping.name] = mapping
    for mistake in mistakes[:-1]:
        mistake.show()
    if mistakes:
        raise mistakes[-1]
    return list(mappings.values())


def _check(where: Project, mappings: list[spec.Mapping], as_json: bool) -> int:
    drift = [s for m in mappings for s in scripts.compare(where, m) if s.state != "equal"]
    absent = [scripts.change(m, p) for m in mappings for p in scripts.missing_changes(where, m)]
    if as_json:
        click.echo(_json(drift, absent))
    else:
        for script in drift:
            click.echo(script.diff(), nl=False)
        for change in absent:
            click.echo(f"{change} is not in {where.plan}.", err=True)
        if drift or absent:
            click.echo(f"{len(drift)} scripts differ: pgtandem render", err=True)
    return DRIFT_EXIT if drift or absent else 0


def _json(found: list[scripts.Script], absent: list[str] | None = None) -> str:
    document: dict[str, Any] = {
        "scripts": [{"path": str(script.path), "state": script.state} for script in found]
    }
    if absent is not None:
        document["not_in_plan"] = absent
    return json.dumps(document, indent=2, ensure_ascii=False)


@click.command()
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...")
@click.option(
    "--project-dir", type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(), help="The Sqitch project; the current directory if not given.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; a diff, and exit 1 where one differs.")
@click.option("--rework", is_flag=True, help="The mapping has changed since it was deployed.")
@click.option(
    "--force", is_flag=True, help="Overwrite what was written by hand or may be deployed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(
    context: click.Context,
    mappings: tuple[str, ...],
    project_dir: Path,
    check: bool,
    rework: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the Sqitch changes of the phases from mapping files.

    MAPPING is a file, or the name of one in mappings/; without any, all of that folder. Each gives
    the changes NAME_expand, NAME_sync, NAME_backfill and NAME_contract; those that are not in the
    plan yet are added by Sqitch. Nothing is deployed. Commit what is written, and let your CI run
    "pgtandem render --check".

    A mapping that has changed: where its changes were deployed on any server, --rework lets Sqitch
    rework them, with a tag for what they were; where they never were, --force edits them in place.
    """
    if sum((check, rework, force)) > 1:
        raise click.UsageError("Give one of --check, --rework and --force.")
    where = project.find(project_dir)
    loaded = _mappings(_files(project_dir, mappings))
    if check:
        context.exit(_check(where, loaded, as_json))
    written = []
    for mapping in loaded:
        if rework:
            written += scripts.rework(where, mapping)
        else:
            written += scripts.write(where, mapping, force=force)
    if as_json:
        click.echo(_json(written))
        return
    for script in written:
        click.echo(f"{'new' if script.found is None else 'changed'}  {script.path}")
    if not written:
        click.echo("Every script is as its mapping says.")
    if all(script.kind != "deploy" for script in written):
        return
    to = "sync@HEAD" if rework else "expand"
    steps = "; ".join(f"sqitch deploy --to {mapping.name}_{to}" for mapping in loaded)
    click.echo(f"Next: read and commit them; then {steps}", err=True)
