-- The extensions stay: they may have been there before.
DROP VIEW household_exception, coverage, vacancy, current_grid;
DROP TABLE
    vacancy_reason, team_requirement, post, member, assignment_history, assignment, household,
    import_reject, import_batch, plan_grid, grid, community_plan, grid_plan, facility, barrier,
    division, dataset;
DROP FUNCTION
    guard_grid_plan, guard_grid, guard_plan_grid, guard_community_plan, guard_post,
    keep_updated_assignment, keep_deleted_assignment;
