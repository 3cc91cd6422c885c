"""Staffing against linear programming, the rules of posts, and the words for vacancies."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog
from shapely import Point, Polygon, box

from geodata.errors import InputError, PlanError
from geodata.staff import arcs as staff_arcs
from geodata.staff import flow, network, staff
from geodata.staff.flow import solve
from geodata.staff.inputs import read_request
from geodata.staff.network import build_network
from geodata.staff.problem import StaffingProblem, role_groups

ROLES = ("police", "doctor", "volunteer")
TEAM = {"police": 1, "doctor": 1, "volunteer": 2}


def town(seed: int, grids: int, members: int, crs: str = "EPSG:32650", step: float = 0.0):
    """Square grids in metres and members around them; ``step`` puts them on a lattice of ties."""
    rng = np.random.default_rng(seed)
    corners, homes = rng.uniform(0, 3000, (grids, 2)), rng.uniform(0, 3200, (members, 2))
    if step:
        corners, homes = (np.round(xy / step) * step for xy in (corners, homes))
    shapes = [box(x, y, x + 200, y + 200) for x, y in corners]
    frame = gpd.GeoDataFrame(
        {"grid_code": [f"G{k:03}" for k in range(grids)]}, geometry=shapes, crs=crs
    )
    roles = [list(rng.choice(ROLES, rng.integers(1, 3), replace=False)) for _ in range(members)]
    people = gpd.GeoDataFrame(
        {
            "member_id": [f"M{k:03}" for k in range(members)],
            "roles": roles,
            "max_posts": rng.integers(0, 4, members),
        },
        geometry=gpd.points_from_xy(*homes.T),
        crs=crs,
    )
    return frame, people


def posts_at_random(seed: int, frame, people, fixed: float):
    """Posts that every member could hold by role and number, more than the grids need."""
    rng = np.random.default_rng(seed)
    rows = [
        (row.member_id, rng.choice(frame.grid_code), rng.choice(row.roles))
        for row in people.itertuples()
        for _ in range(row.max_posts)
    ]
    held = pd.DataFrame(rows, columns=["member_id", "grid_code", "role"]).drop_duplicates()
    held["fixed"] = rng.random(len(held)) < fixed
    # no more fixed posts than needed
    number = held[held.fixed].groupby(["grid_code", "role"]).cumcount()
    held.loc[number.index[number >= 1], "fixed"] = False
    return held.reset_index(drop=True)


def by_linear_programming(problem: StaffingProblem) -> tuple[int, int, int]:
    """Most posts that can be filled; the least total distance for that; the changes it takes.

    With posts held, the least of the distance and the stability for each change, then the fewest
    changes.
    """
    grids = len(problem.grid_xy)
    steps = problem.member_xy[:, None] - problem.grid_xy[None]
    near = np.hypot(steps[..., 0], steps[..., 1]) <= problem.max_distance
    barred = {tuple(pair) for pair in problem.barred.tolist()}
    held = {tuple(pair) for pair in problem.held.tolist()}
    pairs = [
        (m, r * grids + g)
        for m, r in np.argwhere(problem.eligible)
        for g in np.flatnonzero(near[m])
        if (m, r * grids + g) not in barred
    ]
    if not pairs:
        return 0, 0, 0
    member, slot = np.array(pairs).T
    step = problem.member_xy[member] - problem.grid_xy[slot % grids]
    metres = np.rint(np.hypot(step[:, 0], step[:, 1]))
    change = np.array([pair not in held for pair in pairs], dtype=float)
    cost = metres
    if held:
        cost = metres + (problem.stability + 1 / (1 + problem.demand.sum())) * change
    at_most = np.vstack(
        [
            member[None, :] == np.arange(len(problem.member_xy))[:, None],
            slot[None, :] == np.arange(problem.demand.size)[:, None],
        ]
    ).astype(float)
    limits = np.concatenate([problem.capacity, problem.demand.ravel()])
    most = linprog(-np.ones(len(cost)), A_ub=at_most, b_ub=limits, bounds=(0, 1))
    filled = round(-most.fun)
    least = linprog(
        cost, A_ub=at_most, b_ub=limits, A_eq=np.ones((1, len(cost))), b_eq=[filled], bounds=(0, 1)
    )
    return filled, round(metres @ least.x), round(change @ least.x)


def changes(problem: StaffingProblem, solution) -> int:
    """Posts that nobody held before who holds them now."""
    held = {tuple(pair) for pair in problem.held.tolist()}
    slot = solution.role * len(problem.grid_xy) + solution.grid
    return sum(pair not in held for pair in zip(solution.member, slot, strict=True))


def assert_rules(result, grids, members, team, max_posts=2):
    """No post beyond what the member may and the grid needs; nothing uncounted."""
    posts = result.posts
    assert not posts.duplicated(["member_id", "grid_code", "role"]).any()
    people = members.set_index("member_id")
    own = people["max_posts"].clip(upper=max_posts) if "max_posts" in people else max_posts
    held = posts.member_id.value_counts()
    assert (held <= pd.Series(own, people.index)[held.index]).all()
    for row in posts.itertuples():
        assert row.role in people.roles[row.member_id]
    filled = posts.groupby(["grid_code", "role"]).size()
    for code in grids.grid_code:
        for role, needed in team.items():
            vacancy = result.vacancies
            missing = vacancy[(vacancy.grid_code == code) & (vacancy.role == role)].missing.sum()
            assert filled.get((code, role), 0) + missing == needed
    assert posts.distance_m.sum() == result.total_distance_m
    assert (posts.groupby("member_id").second.sum() == held.sort_index() - 1).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grids=st.integers(1, 6),
    members=st.integers(0, 14),
    limit=st.sampled_from([None, 900.0]),
    step=st.sampled_from([0.0, 500.0, 1500.0]),
)
def test_most_posts_then_least_distance(seed, grids, members, limit, step):
    frame, people = town(seed, grids, members, step=step)
    problem = read_request(frame, people, TEAM, max_distance_m=limit).problem
    filled, least, _ = by_linear_programming(problem)
    result = staff(frame, people, TEAM, max_distance_m=limit)
    assert (len(result.posts), result.total_distance_m) == (filled, least)
    assert result.lower_bound_m == result.total_distance_m
    assert_rules(result, frame, people, TEAM)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grids=st.integers(1, 5),
    members=st.integers(1, 12),
    stability=st.sampled_from([0, 1, 150, 10**9]),
    limit=st.sampled_from([None, 1200.0]),
    step=st.sampled_from([0.0, 500.0, 1500.0]),
    fixed=st.sampled_from([0.0, 0.3]),
)
# one change less makes the others walk farther than the two that are farthest apart
@example(seed=12, grids=5, members=10, stability=10**9, limit=None, step=1500.0, fixed=0.3)
def test_around_the_posts_held_so_far(seed, grids, members, stability, limit, step, fixed):
    frame, people = town(seed, grids, members, step=step)
    held = posts_at_random(seed, frame, people, fixed)
    request = read_request(
        frame, people, TEAM, max_posts=3, max_distance_m=limit, current=held, stability_m=stability
    )
    filled, least, moves = by_linear_programming(request.problem)
    solution = solve(request.problem)
    assert len(solution.member) == filled
    assert solution.distance.sum() == solution.lower_bound
    if len(request.problem.held):
        price = min(stability, 10**4)
        cost = solution.distance.sum() + price * changes(request.problem, solution)
        assert cost == least + price * moves
        assert changes(request.problem, solution) == moves or not stability
    else:
        assert solution.distance.sum() == least

    result = staff(frame, people, TEAM, max_posts=3, max_distance_m=limit, current=held,
                   stability_m=stability)  # fmt: skip
    assert_rules(result, frame, people, TEAM, max_posts=3)
    keys = ["member_id", "grid_code", "role"]
    kept = held[held.fixed].merge(result.posts, on=keys)
    assert len(kept) == held.fixed.sum()
    assert kept.kept.all()
    assert result.total_distance_m == result.lower_bound_m == result.posts.distance_m.sum()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), stations=st.integers(1, 4))
def test_interchangeable_members_are_one_pool(seed, stations):
    rng = np.random.default_rng(seed)
    frame, people = town(seed, 6, 30)
    at = rng.uniform(0, 3200, (stations, 2))[rng.integers(0, stations, 30)]
    people = people.set_geometry(gpd.points_from_xy(*at.T), crs=people.crs)
    held = posts_at_random(seed, frame, people, 0.1)
    for current in (None, held):
        problem = read_request(frame, people, TEAM, max_posts=3, current=current).problem
        merged, _ = build_network(problem)
        assert merged.people.sum() == len(people)
        if current is None and stations == 1:
            assert len(merged.people) < len(people)  # six sets of roles, limits 0 to 3
        filled, least, _ = by_linear_programming(problem)
        result = staff(frame, people, TEAM, max_posts=3, current=current)
        fixed = 0 if current is None else int(current.fixed.sum())
        assert len(result.posts) == filled + fixed
        assert result.total_distance_m == result.lower_bound_m
        assert solve(problem).distance.sum() == least
        assert_rules(result, frame, people, TEAM, max_posts=3)


@pytest.mark.parametrize(("members", "limit"), [(100, None), (400, None), (250, 2000.0)])
@pytest.mark.parametrize("nearest", [1, 3])
def test_pricing_reaches_the_optimum_over_all_arcs(members, limit, nearest, monkeypatch):
    # everyone lives in one corner, so that the nearest arcs of all grids fight for few people
    frame, people = town(5, 120, members)
    people.geometry = people.geometry.affine_transform([0.05, 0, 0, 0.05, 0, 0])
    request = read_request(frame, people, {"police": 1, "doctor": 1}, max_distance_m=limit)
    problem, _ = request.problem.part(np.array([0, 1]))
    monkeypatch.setattr(staff_arcs, "_NEAREST", 10**6)
    whole = solve(problem)
    assert whole.rounds == 1
    monkeypatch.setattr(staff_arcs, "_NEAREST", nearest)
    for many_grids in (10, 10**6):  # with coarser networks, and without
        monkeypatch.setattr(flow, "_MANY_GRIDS", many_grids)
        priced = solve(problem)
        assert priced.rounds > 1
        assert priced.arcs < whole.arcs
        assert len(priced.member) == len(whole.member)
        assert priced.distance.sum() == whole.distance.sum()
        assert priced.lower_bound == priced.distance.sum()


def test_equals_the_assignment_problem():
    frame, people = town(3, 30, 40)
    people["roles"], people["max_posts"] = "police", 1
    result = staff(frame, people, {"police": 1})
    problem = read_request(frame, people, {"police": 1}).problem
    cost = np.rint(np.hypot(*(problem.member_xy[:, None] - problem.grid_xy[None]).T))
    rows, columns = linear_sum_assignment(cost)
    assert result.total_distance_m == cost[rows, columns].sum() == result.lower_bound_m


def test_same_for_any_order_and_with_an_executor():
    frame, people = town(11, 25, 60, step=200)
    frame["county"] = np.where(np.arange(25) % 2, "east", "west")
    people["roles"] = [roles[:1] for roles in people.roles]
    held = posts_at_random(7, frame, people, 0.1)
    options = {"current": held, "stability_m": 100, "explain": "county", "max_distance_m": 800}
    for more in ({}, options, options | {"by": "county"}):
        expected = staff(frame, people, TEAM, **more)
        shuffled = more and more | {"current": held.sample(frac=1, random_state=3)}
        other_order = (
            frame.sample(frac=1, random_state=1),
            people.sample(frac=1, random_state=2),
            TEAM,
        )
        assert_same(staff(*other_order, **shuffled), expected)
        with ThreadPoolExecutor(2) as threads:
            assert_same(staff(frame, people, TEAM, executor=threads, **more), expected)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert_same(staff(frame, people, TEAM, executor=processes, **more), expected)


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.posts, other.posts)
    pd.testing.assert_frame_equal(one.vacancies, other.vacancies)
    assert one.lower_bound_m == one.total_distance_m == other.lower_bound_m
    assert (one.moved, one.loss) == (other.moved, other.loss)
    if one.shortages is not None:
        pd.testing.assert_frame_equal(one.shortages.table, other.shortages.table)
        pd.testing.assert_frame_equal(one.shortages.relief, other.shortages.relief)


def test_a_larger_problem_equals_linear_programming():
    frame, people = town(4, 40, 90)
    station = people.geometry.iloc[:6].to_numpy()
    at = np.random.default_rng(0).integers(0, 6, 60)
    people.loc[people.index[:60], "geometry"] = station[at]
    held = posts_at_random(1, frame, people, 0.05)
    for current, stability in ((None, 0), (held, 0), (held, 120)):
        problem = read_request(frame, people, TEAM, current=current, stability_m=stability).problem
        filled, least, moves = by_linear_programming(problem)
        solution = solve(problem)
        assert len(solution.member) == filled
        assert solution.distance.sum() == solution.lower_bound == least
        assert current is None or changes(problem, solution) == moves


def test_roles_that_share_no_member_are_apart():
    eligible = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]], dtype=bool)
    assert [group.tolist() for group in role_groups(eligible)] == [[0, 2], [1], [3]]


def line(*places: float, codes: str = "ABCDEFG") -> gpd.GeoDataFrame:
    """Grids of 20 m about places along a line, in metres."""
    shapes = [box(x - 10, -10, x + 10, 10) for x in places]
    return gpd.GeoDataFrame(
        {"grid_code": list(codes[: len(places)])}, geometry=shapes, crs="EPSG:32650"
    )


def people(**where) -> gpd.GeoDataFrame:
    """Members by id: (roles, x); x None for no place."""
    shapes = [None if x is None else Point(x, 0) for _, x in where.values()]
    roles = [roles for roles, _ in where.values()]
    return gpd.GeoDataFrame(
        {"member_id": list(where), "roles": roles}, geometry=shapes, crs="EPSG:32650"
    )


def test_filling_posts_comes_before_distance():
    # p stands at grid A; only p can be police, and q alone would leave the doctor's post empty
    result = staff(line(0), people(p=("police;doctor", 0), q=("police", 5000)),
                   {"police": 1, "doctor": 1}, max_posts=1)  # fmt: skip
    assert result.posts.set_index("role").member_id.to_dict() == {"police": "q", "doctor": "p"}
    assert result.vacancies.empty
    assert result.total_distance_m == 5000


def test_nobody_holds_the_same_role_twice_in_one_grid():
    result = staff(line(0), people(p=("volunteer", 3)), {"volunteer": 2})
    assert result.posts[["member_id", "distance_m", "second"]].values.tolist() == [["p", 3, False]]
    assert result.vacancies.missing.tolist() == [1]


def test_a_second_post_is_marked():
    result = staff(line(0, 100, 200), people(p=("police", 90)), {"police": 1})
    assert result.posts.grid_code.tolist() == ["A", "B"]
    assert result.posts.second.tolist() == [True, False]
    assert result.vacancies.grid_code.tolist() == ["C"]


def test_the_reason_of_a_vacancy_names_role_posts_and_people():
    result = staff(
        line(0, 100, 200), people(p=("police", 0)), {"police": 1, "teacher": 1}, max_posts=2
    )
    reasons = result.vacancies.groupby("role").reason.first()
    assert reasons["police"] == "police: 3 posts, 1 eligible member can hold 2"
    assert reasons["teacher"] == "teacher: 3 posts, no eligible member"


def test_the_reason_says_when_people_are_needed_elsewhere_or_too_far():
    both = people(p=("police;doctor", 0))
    result = staff(line(0), both, {"police": 1, "doctor": 1}, max_posts=1)
    assert (
        "1 eligible member can hold 1, of which 1 are in other roles"
        in (result.vacancies.reason.iloc[0])
    )
    far = staff(line(0, 1000), people(p=("police", 0)), {"police": 1}, max_distance_m=500)
    assert far.posts.grid_code.tolist() == ["A"]
    assert "none of them is within 500 m of this grid" in far.vacancies.reason.iloc[0]


def test_a_member_without_a_place_is_reported():
    result = staff(line(0), people(p=("police", None), q=("police", 10)), {"police": 1})
    assert result.unplaced == ("p",)
    assert result.posts.member_id.tolist() == ["q"]
    assert "1 without a place" in result.warnings[0]


def test_a_role_outside_the_team_is_a_warning_with_the_nearest_one():
    result = staff(line(0), people(p=("polcie", 0)), {"police": 1})
    assert result.warnings == ("role 'polcie' of 1 members is not in the team; is 'police' meant?",)


def test_the_place_of_a_grid_lies_in_it():
    # the centroid of this U is outside it
    shape = Polygon([(0, 0), (90, 0), (90, 90), (80, 90), (80, 10), (10, 10), (10, 90), (0, 90)])
    grids = gpd.GeoDataFrame({"grid_code": ["A"]}, geometry=[shape], crs="EPSG:32650")
    problem = read_request(grids, people(p=("police", 0)), {"police": 1}).problem
    place = shapely.points(problem.grid_xy[0] + shape.envelope.centroid.coords[0])
    assert shape.covers(place)


def post(member: str, grid: str, role: str = "police", fixed: bool = False) -> pd.DataFrame:
    return pd.DataFrame(
        {"member_id": [member], "grid_code": [grid], "role": [role], "fixed": [fixed]}
    )


@pytest.mark.parametrize(("stability", "holder"), [(0, "q"), (49, "q"), (50, "p"), (1e12, "p")])
def test_a_post_changes_hands_only_for_a_gain_above_the_threshold(stability, holder):
    result = staff(line(0), people(p=("police", 90), q=("police", 40)), {"police": 1},
                   current=post("p", "A"), stability_m=stability)  # fmt: skip
    assert result.posts.member_id.tolist() == [holder]
    assert result.posts.kept.tolist() == [holder == "p"]
    assert result.moved == (holder != "p")
    assert result.total_distance_m == result.lower_bound_m


def test_at_equal_distance_nothing_changes():
    both = people(a=("police", 40), z=("police", -40))
    for who in "az":
        result = staff(line(0), both, {"police": 1}, current=post(who, "A"))
        assert result.posts.member_id.tolist() == [who]


def test_a_post_is_filled_however_stable_the_others_are():
    # only p can be a doctor, so p gives up the police post
    both = people(p=("police;doctor", 0), q=("police", 5000))
    result = staff(line(0), both, {"police": 1, "doctor": 1}, max_posts=1, stability_m=1e12,
                   current=post("p", "A"))  # fmt: skip
    assert result.posts.set_index("role").member_id.to_dict() == {"police": "q", "doctor": "p"}
    assert result.moved == 1


def test_a_fixed_post_stays_whatever_it_costs():
    result = staff(line(0, 3000), people(p=("police", 2000), q=("police", 10)), {"police": 1},
                   current=post("p", "A", fixed=True), max_distance_m=1000)  # fmt: skip
    assert result.posts[["member_id", "grid_code"]].values.tolist() == [["p", "A"], ["p", "B"]]
    assert result.posts.kept.tolist() == [True, False]
    assert result.posts.second.tolist() == [True, False]
    assert result.total_distance_m == result.lower_bound_m == 3000


def test_a_fixed_post_of_someone_without_a_place_and_of_a_role_outside_the_team():
    both = people(p=("police;clown", None), q=("police", 10))
    current = pd.concat([post("p", "A", fixed=True), post("p", "A", "clown", fixed=True)])
    result = staff(line(0), both, {"police": 1}, current=current)
    assert result.posts.role.tolist() == ["police", "clown"]
    assert result.posts.distance_m.isna().all()
    assert result.total_distance_m == result.lower_bound_m == 0
    assert result.vacancies.empty


def test_more_fixed_posts_than_needed_stay():
    current = pd.concat([post("p", "A", fixed=True), post("q", "A", fixed=True)])
    both = people(p=("police", 0), q=("police", 10))
    result = staff(line(0, 20), both, {"police": 1}, current=current)
    assert result.posts.grid_code.tolist() == ["A", "A", "B"]
    assert result.vacancies.empty


def test_posts_that_are_no_longer_allowed_are_not_kept():
    held = pd.concat(
        [post("p", "A", "doctor"), post("p", "B"), post("gone", "A"), post("p", "gone")]
    )
    result = staff(line(0, 5000), people(p=("police", 10)), {"police": 1, "doctor": 1},
                   current=held, max_distance_m=500)  # fmt: skip
    assert result.posts[["grid_code", "role"]].values.tolist() == [["A", "police"]]
    assert result.moved == 0


def counties(*names: str, places: tuple[float, ...]) -> gpd.GeoDataFrame:
    return line(*places).assign(county=list(names))


def test_part_by_part_nobody_crosses_and_the_loss_is_stated():
    grids = counties("east", "east", "west", "west", places=(0, 100, 2000, 2100))
    # two in the east, whose four posts are enough for all; one of the east lives near the border
    members = people(p=("police", 0), q=("police", 1040))
    alone = staff(grids, members, {"police": 1})
    assert alone.vacancies.empty
    assert alone.loss is None
    parted = staff(grids, members, {"police": 1}, by="county")
    assert parted.vacancies.grid_code.tolist() == ["C", "D"]
    assert "east" not in parted.vacancies.reason.iloc[0]
    assert parted.vacancies.reason.iloc[0] == "police: 2 posts, no eligible member"
    assert (parted.loss.posts, parted.total_distance_m) == (2, parted.lower_bound_m)
    assert parted.loss.distance_m == parted.total_distance_m - alone.total_distance_m
    assert staff(grids, members, {"police": 1}, by="county", measure_loss=False).loss is None


def test_a_member_belongs_where_the_posts_held_so_far_are():
    grids = counties("east", "west", places=(0, 2000))
    members = people(p=("police", 10))
    held = post("p", "B")
    parted = staff(grids, members, {"police": 1}, by="county", current=held)
    assert parted.posts.grid_code.tolist() == ["B"]
    assert parted.loss.posts == 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), grids=st.integers(1, 12), members=st.integers(0, 20))
def test_parts_are_optimal_by_themselves(seed, grids, members):
    frame, people = town(seed, grids, members)
    frame["county"] = np.random.default_rng(seed).choice(["a", "b", "c"], grids)
    result = staff(frame, people, TEAM, by="county", max_posts=3)
    whole = staff(frame, people, TEAM, max_posts=3)
    assert result.total_distance_m == result.lower_bound_m
    assert result.loss.posts == len(whole.posts) - len(result.posts) >= 0
    assert result.loss.distance_m == result.total_distance_m - whole.total_distance_m
    assert result.loss.posts or result.loss.distance_m >= 0
    county = frame.set_index("grid_code").county
    assert (result.posts.groupby("member_id").grid_code.agg(
        lambda codes: county[codes].nunique()) == 1).all()  # fmt: skip
    assert_rules(result, frame, people, TEAM, max_posts=3)


def test_shortages_are_explained_by_division():
    grids = counties("east", "east", "west", places=(0, 100, 2000))
    members = people(p=("police", 0), q=("police;doctor", 2900), r=("doctor", 9000))
    result = staff(grids, members, {"police": 1, "doctor": 1}, max_posts=1, max_distance_m=500,
                   explain="county")  # fmt: skip
    table = result.shortages.table.set_index(["role", "division"])
    assert table.columns.tolist() == [
        "needed", "eligible", "in_reach", "filled", "missing", "relieved"
    ]  # fmt: skip
    assert table.loc[("police", "east")].tolist() == [2, 1, 1, 1, 1, 0]
    assert table.loc[("police", "west")].tolist() == [1, 1, 0, 0, 1, 1]
    assert table.loc[("doctor", "east")].tolist() == [2, 0, 0, 0, 2, 0]
    assert table.loc[("doctor", "west")].tolist() == [1, 2, 0, 0, 1, 1]
    relief = result.shortages.relief
    assert relief.columns.tolist() == ["role", "division", "grid_code", "member_id", "distance_m"]
    assert sorted(relief[["grid_code", "role", "member_id"]].values.tolist()) == [
        ["C", "doctor", "r"], ["C", "police", "q"]
    ]  # fmt: skip
    assert relief.distance_m.tolist() == [900, 7000]


def test_without_a_limit_nobody_would_come_from_farther_away():
    grids = counties("east", "west", places=(0, 2000))
    result = staff(grids, people(p=("police", 0)), {"police": 2}, explain="county")
    assert result.shortages.relief.empty
    assert result.shortages.table[["in_reach", "missing"]].values.tolist() == [[1, 1], [1, 1]]


def test_a_problem_beyond_64_bits_is_refused(monkeypatch):
    monkeypatch.setattr(network, "_DEAREST", 10**4)
    with pytest.raises(PlanError, match="set a largest distance, or staff part by part"):
        staff(*town(1, 30, 60), TEAM)


def test_members_in_another_crs():
    grids = line(0).to_crs("EPSG:4326")
    members = people(p=("police", 1000))
    assert staff(grids, members, {"police": 1}).total_distance_m == pytest.approx(1000, abs=8)


def test_nothing_to_staff():
    nobody = people(p=("police", 0)).iloc[:0]
    result = staff(line(0), nobody, {"police": 1})
    assert result.vacancies.missing.tolist() == [1]
    empty = staff(line(0).iloc[:0], people(p=("police", 0)), {"police": 1})
    assert empty.posts.empty
    assert empty.vacancies.empty
    assert empty.total_distance_m == empty.lower_bound_m == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"team": {}}, "names no role"),
        ({"team": {"police": -1}}, "field 'team.police'.*whole number"),
        ({"team": {"police": 1.5}}, "field 'team.police'.*whole number"),
        ({"max_posts": 0}, "at least 1"),
        ({"max_distance_m": -5}, "0 m or more"),
        ({"max_distance_m": float("nan")}, "0 m or more"),
        ({"stability_m": -1}, "field 'stability_m'.*0 m or more"),
        ({"by": "county"}, "no column 'county'"),
        ({"by": "none", "grids": line(0).assign(none=None)}, "row 1, field 'none'.*nowhere"),
        ({"explain": "county"}, "no column 'county'"),
        ({"current": post("x", "A", fixed=True)}, "row 1, field 'member_id'.*'x' holds a fixed"),
        ({"current": post("p", "Z", fixed=True)}, "row 1, field 'grid_code'.*'Z' holds a fixed"),
        ({"current": post("p", "A").drop(columns="role")}, "no column 'role'"),
        ({"grids": line(0, 50, codes="AA")}, "row 2.*'A' occurs more than once"),
        ({"members": people(p=("police", 0)).drop(columns="roles")}, "no column 'roles'"),
        ({"members": people(p=(7, 0))}, "row 1, field 'roles'.*list of roles"),
        ({"members": people(p=("police", 0)).assign(max_posts=-1)}, "field 'max_posts'"),
        ({"members": people(p=("police", 0)).assign(member_id=None)}, "member id is missing"),
        ({"members": line(0).assign(member_id="x", roles="police")}, "must be a point"),
    ],
)
def test_wrong_input_is_named(change, message):
    right = {"grids": line(0), "members": people(p=("police", 0)), "team": {"police": 1}}
    with pytest.raises(InputError, match=message):
        staff(**(right | change))


def test_cambridge(shared_data):
    folder = shared_data / "cambridge"
    grids = gpd.read_file(folder / "cambridge_case.gpkg", layer="existing_patrol_grids")
    grids["grid_code"] = [f"{k:03}" for k in range(len(grids))]
    table = pd.read_csv(folder / "members.csv", dtype={"member_id": str})
    members = gpd.GeoDataFrame(
        table, geometry=gpd.points_from_xy(table.lng, table.lat), crs="EPSG:4326"
    )
    team = {"leader": 1, "cadre": 1, "party_group_leader": 1, "police": 1, "doctor": 1,
            "teacher": 1, "volunteer": 2}  # fmt: skip
    result = staff(grids, members, team)
    assert len(result.posts) + result.vacancies.missing.sum() == len(grids) * sum(team.values())
    assert result.total_distance_m == result.lower_bound_m
    police = result.vacancies[result.vacancies.role == "police"]
    assert police.missing.sum() == len(grids) - 90
    assert "45 eligible members can hold 90" in police.reason.iloc[0]
