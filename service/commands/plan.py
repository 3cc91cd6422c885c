"""``gridward plan``: list, show, validate, activate and retire grid plans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from service.commands import change
from service.commands.console import figures, print_json, print_table, say
from service.commands.import_plan import import_plan
from service.commands.options import Json
from service.commands.sessions import open_session

__all__ = ["app"]

app = typer.Typer(name="plan", help="Grid plans: drawn up, checked, switched, compared.")

_SIZES = ("target", "minimum", "maximum")
#: Figures of a report that are shares, in the order in which they are told.
_SHARES = ("within_range", "deviation_mean", "deviation_p95", "deviation_max", "on_barriers")

PlanId = Annotated[int, typer.Argument(metavar="ID", help="Number of the plan.")]


@app.command("list")
def list_plans(
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only the plans that rule on this day."),
    ] = None,
    json: Json = False,
) -> None:
    """List the plans."""
    from service.flows import plans

    with open_session() as session:
        rows = plans.list_plans(session, at=at.date() if at else None)
    if json:
        print_json({"plans": rows})
    else:
        columns = ("id", "name", "state", "effective_from", "communities", "grids")
        print_table("Plans", columns, ([row[column] for column in columns] for row in rows))


@app.command()
def show(plan_id: PlanId, json: Json = False) -> None:
    """Show one plan with its figures."""
    from service.flows import plans

    with open_session() as session:
        plan = plans.show(session, plan_id=plan_id)
    if json:
        print_json(plan)
    else:
        figures(f"Plan {plan_id}: {plan['name']}", _told(plan))


def _told(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan for people: its head, then how it was made, then its figures."""
    from geodata.report.tables import percent

    parameters = dict(plan["parameters"])
    sizes = {name: parameters.pop(name) for name in _SIZES if name in parameters}
    report = {
        name: percent(value) if name in _SHARES and value is not None else value
        for name, value in sorted((plan["report"] or {}).items(), key=lambda item: _rank(item[0]))
    }
    created = datetime.fromisoformat(plan["created_at"]).astimezone(UTC)
    return {
        "state": plan["state"],
        "first day": plan["effective_from"],
        "drawn up": f"{created:%Y-%m-%d %H:%M} UTC",
        "communities": plan["communities"],
        "grids": plan["grids"],
        **sizes,
        **dict(sorted(parameters.items())),
        "report": report,
    }


def _rank(name: str) -> tuple[int, str]:
    return (_SHARES.index(name) if name in _SHARES else len(_SHARES), name)


@app.command()
def validate(plan_id: PlanId, json: Json = False) -> None:
    """Check that the grids of a draft tile their communities exactly."""
    from service.flows import plans

    with open_session() as session:
        verdict = plans.validate(session, plan_id=plan_id)
    if json:
        print_json(verdict.as_dict())
    else:
        say(f"plan {plan_id} is valid: {verdict.grids:,} grids, no fault")


@app.command()
def activate(
    plan_id: PlanId,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day of the plan (default: today)."),
    ] = None,
    json: Json = False,
) -> None:
    """Switch to a validated plan."""
    from service.flows import plans

    with open_session() as session:
        outcome = plans.activate(session, plan_id=plan_id, on=on.date() if on else None)
    if json:
        print_json(outcome.as_dict())
        return
    say(f"plan {plan_id} is active from {outcome.effective_from}")
    for other in outcome.never_began:
        say(f"plan {other}, which was to begin later, is retired: it never ruled")
    if outcome.reassigned or outcome.posts_ended:
        say(
            f"{outcome.reassigned:,} household records assigned anew, {outcome.posts_ended:,} "
            "posts of grids that are gone ended; 'gridward staff' fills the others"
        )
    if outcome.out_of_range:
        print_table(
            "Grids out of range",
            ("grid", "households", "drawn with"),
            (list(row.values()) for row in outcome.out_of_range),
        )
        say("'gridward rebalance' brings them back")


@app.command()
def retire(
    plan_id: PlanId,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day from which it no longer rules."),
    ] = None,
    json: Json = False,
) -> None:
    """Retire an active plan that rules nothing any longer, or end it on a day."""
    from service.flows import plans

    with open_session() as session:
        outcome = plans.retire(session, plan_id=plan_id, on=on.date() if on else None)
    if json:
        print_json(outcome)
    else:
        say(f"plan {plan_id} is retired" + (f" and ends on {outcome['ends']}" if on else ""))


app.command()(change.diff)
app.command()(change.split)
app.command()(change.merge)
app.command("import")(import_plan)
