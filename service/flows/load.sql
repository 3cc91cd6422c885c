-- save_dataset --
-- The row of a data set, held until the transaction ends: two loads of it take turns.
INSERT INTO dataset (name, prefix, crs, licence, target, minimum, maximum, snap_tolerance_m)
VALUES (:name, :prefix, :crs, :licence, :target, :minimum, :maximum, :snap_tolerance_m)
ON CONFLICT (name) DO UPDATE SET
    prefix = excluded.prefix, crs = excluded.crs, licence = excluded.licence,
    target = excluded.target, minimum = excluded.minimum, maximum = excluded.maximum,
    snap_tolerance_m = excluded.snap_tolerance_m
RETURNING id

-- touch_dataset --
UPDATE dataset SET loaded_at = now() WHERE id = :dataset_id

-- drop_roles --
DELETE FROM team_requirement
WHERE dataset_id = :dataset_id AND role <> ALL (CAST(:roles AS text[]))

-- save_roles --
INSERT INTO team_requirement (dataset_id, role, posts)
SELECT :dataset_id, role, posts
FROM unnest(CAST(:roles AS text[]), CAST(:posts AS integer[])) AS given (role, posts)
ON CONFLICT (dataset_id, role) DO UPDATE SET posts = excluded.posts
WHERE team_requirement.posts <> excluded.posts

-- last_batch --
-- The newest reading of a file for a source.
SELECT id, checksum, rows, loaded, rejected, warnings
FROM import_batch
WHERE dataset_id = :dataset_id AND source = :source AND file = :file
ORDER BY id DESC
LIMIT 1

-- batch_labels --
-- The files of a source whose rows are loaded.
SELECT DISTINCT file
FROM import_batch
WHERE dataset_id = :dataset_id AND source = :source

-- forget_batches --
-- Files that the manifest names no longer.
DELETE FROM import_batch
WHERE dataset_id = :dataset_id AND source = :source AND file <> ALL (CAST(:files AS text[]))

-- open_batch --
INSERT INTO import_batch (dataset_id, source, file, checksum)
VALUES (:dataset_id, :source, :file, :checksum)
RETURNING id

-- close_batch --
UPDATE import_batch
SET rows = :rows, loaded = :loaded, rejected = :rejected, warnings = CAST(:warnings AS jsonb)
WHERE id = :batch_id

-- drop_staged --
DROP TABLE IF EXISTS staged

-- analyze_staged --
ANALYZE staged

-- stage_divisions --
CREATE TEMPORARY TABLE staged (
    code text, name text, level text, parent text, geometry geometry(Geometry, 4326)
) ON COMMIT DROP

-- stage_households --
CREATE TEMPORARY TABLE staged (
    reference text, address text, building text, unit text, households integer, community text,
    source_x double precision, source_y double precision, datum text,
    geometry geometry(Point, 4326)
) ON COMMIT DROP

-- stage_members --
CREATE TEMPORARY TABLE staged (
    reference text, name text, roles text[], max_posts smallint, geometry geometry(Point, 4326)
) ON COMMIT DROP

-- stage_facilities --
CREATE TEMPORARY TABLE staged (
    reference text, name text, kind text, geometry geometry(Point, 4326)
) ON COMMIT DROP

-- first_reject --
SELECT reason
FROM import_reject
WHERE batch_id = :batch_id
ORDER BY row, id
LIMIT 1

-- taken_codes --
-- Codes that another data set brought.
SELECT division.code, dataset.name
FROM staged
JOIN division USING (code)
JOIN dataset ON dataset.id = division.dataset_id
WHERE division.dataset_id <> :dataset_id
ORDER BY division.code COLLATE "C"
LIMIT 1

-- save_divisions --
INSERT INTO division (code, dataset_id, name, level, parent, parent_rank, geometry)
SELECT staged.code, :dataset_id, staged.name, staged.level, above.code, above.rank, ST_Multi(staged.geometry)
FROM staged
LEFT JOIN division AS above ON above.code = staged.parent AND above.dataset_id = :dataset_id
ON CONFLICT (code) DO UPDATE SET
    name = excluded.name, level = excluded.level, parent = excluded.parent,
    parent_rank = excluded.parent_rank,
    geometry = CASE
        WHEN coalesce(division.outline, division.geometry) = excluded.geometry
        THEN division.geometry ELSE excluded.geometry
    END,
    outline = CASE WHEN division.outline = excluded.geometry THEN division.outline END
WHERE (division.name, division.level, division.parent, coalesce(division.outline, division.geometry))
    IS DISTINCT FROM (excluded.name, excluded.level, excluded.parent, excluded.geometry)

-- no_households --
SELECT NOT EXISTS (SELECT FROM household)

-- hold_households --
-- Whoever writes households now ends first; after this nobody else can.
LOCK TABLE household, assignment, assignment_history IN ACCESS EXCLUSIVE MODE

-- defer_indexes --
-- Into an empty table rows go first and what guards them comes after, in the same transaction: an
-- index is built and a foreign key checked at once in a fraction of the time that row by row takes.
-- Emptying the table anew lets the server skip the write-ahead log where its level allows. Nothing
-- needs to be noted of the rows: the next run of the assign flow looks at all of them.
TRUNCATE household, assignment, assignment_history, assignment_queue;
ALTER TABLE household DISABLE TRIGGER USER;
DROP INDEX ix_household_geometry, ix_household_batch_id;
ALTER TABLE household
    DROP CONSTRAINT uq_household_dataset_id_reference,
    DROP CONSTRAINT fk_household_dataset_id,
    DROP CONSTRAINT fk_household_batch_id

-- build_indexes --
ALTER TABLE household
    ADD CONSTRAINT uq_household_dataset_id_reference UNIQUE (dataset_id, reference),
    ADD CONSTRAINT fk_household_dataset_id FOREIGN KEY (dataset_id) REFERENCES dataset (id),
    ADD CONSTRAINT fk_household_batch_id FOREIGN KEY (batch_id)
        REFERENCES import_batch (id) ON DELETE SET NULL;
CREATE INDEX ix_household_batch_id ON household (batch_id);
CREATE INDEX ix_household_geometry ON household USING gist (geometry);
ALTER TABLE household ENABLE TRIGGER USER

-- analyze_households --
ANALYZE household

-- save_households --
INSERT INTO household (
    dataset_id, reference, address, building, unit, households, community,
    source_x, source_y, datum, batch_id, geometry
)
SELECT
    :dataset_id, reference, address, building, unit, households, community,
    source_x, source_y, datum, :batch_id, geometry
FROM staged
ON CONFLICT (dataset_id, reference) DO UPDATE SET
    address = excluded.address, building = excluded.building, unit = excluded.unit,
    households = excluded.households, community = excluded.community,
    source_x = excluded.source_x, source_y = excluded.source_y, datum = excluded.datum,
    batch_id = excluded.batch_id, geometry = excluded.geometry
WHERE (
    household.address, household.building, household.unit, household.households,
    household.community, household.source_x, household.source_y, household.datum,
    household.geometry
) IS DISTINCT FROM (
    excluded.address, excluded.building, excluded.unit, excluded.households,
    excluded.community, excluded.source_x, excluded.source_y, excluded.datum, excluded.geometry
)

-- save_members --
INSERT INTO member (dataset_id, reference, name, roles, max_posts, geometry)
SELECT :dataset_id, reference, name, roles, coalesce(max_posts, 2), geometry
FROM staged
ON CONFLICT (dataset_id, reference) DO UPDATE SET
    name = excluded.name, roles = excluded.roles, max_posts = excluded.max_posts,
    geometry = excluded.geometry
WHERE (member.name, member.roles, member.max_posts, member.geometry)
    IS DISTINCT FROM (excluded.name, excluded.roles, excluded.max_posts, excluded.geometry)

-- save_facilities --
INSERT INTO facility (dataset_id, reference, name, kind, geometry)
SELECT :dataset_id, reference, name, kind, geometry
FROM staged
ON CONFLICT (dataset_id, reference) DO UPDATE SET
    name = excluded.name, kind = excluded.kind, geometry = excluded.geometry
WHERE (facility.name, facility.kind, facility.geometry)
    IS DISTINCT FROM (excluded.name, excluded.kind, excluded.geometry)

-- release_ineligible --
-- A post whose holder lost the role, or holds more posts than now allowed, newest first, ends.
UPDATE post
SET valid_to = now()
FROM (
    SELECT
        post.id,
        post.role = ANY (member.roles) AS eligible,
        row_number() OVER (
            PARTITION BY member.id
            ORDER BY post.role = ANY (member.roles) DESC, post.fixed DESC, post.valid_from, post.id
        ) AS place,
        member.max_posts
    FROM post
    JOIN member ON member.id = post.member_id
    WHERE post.valid_to IS NULL AND member.dataset_id = :dataset_id
) AS held
WHERE post.id = held.id AND (NOT held.eligible OR held.place > held.max_posts)

-- clear_barriers --
DELETE FROM barrier WHERE dataset_id = :dataset_id

-- vanished_divisions --
-- Divisions of this level that the file no longer holds.
SELECT count(*)
FROM division
WHERE dataset_id = :dataset_id AND level = :level
    AND NOT EXISTS (SELECT FROM staged WHERE staged.code = division.code)

-- prune_divisions --
-- What a grid or another division still names stays.
DELETE FROM division
WHERE dataset_id = :dataset_id AND level = :level
    AND NOT EXISTS (SELECT FROM staged WHERE staged.code = division.code)
    AND NOT EXISTS (SELECT FROM grid WHERE grid.community_code = division.code)
    AND NOT EXISTS (SELECT FROM community_plan WHERE community_plan.community_code = division.code)
    AND NOT EXISTS (SELECT FROM division AS below WHERE below.parent = division.code)

-- vanished_households --
SELECT count(*)
FROM household
WHERE dataset_id = :dataset_id
    AND NOT EXISTS (SELECT FROM staged WHERE staged.reference = household.reference)

-- prune_households --
DELETE FROM household
WHERE dataset_id = :dataset_id
    AND NOT EXISTS (SELECT FROM staged WHERE staged.reference = household.reference)

-- vanished_facilities --
SELECT count(*)
FROM facility
WHERE dataset_id = :dataset_id
    AND NOT EXISTS (SELECT FROM staged WHERE staged.reference = facility.reference)

-- prune_facilities --
DELETE FROM facility
WHERE dataset_id = :dataset_id
    AND NOT EXISTS (SELECT FROM staged WHERE staged.reference = facility.reference)

-- vanished_members --
-- Members that the file no longer holds and that may still be posted.
SELECT count(*)
FROM member
WHERE dataset_id = :dataset_id AND max_posts > 0
    AND NOT EXISTS (SELECT FROM staged WHERE staged.reference = member.reference)

-- prune_members --
-- Whoever held a post stays, for the sake of the past, but may hold none any more.
WITH gone AS (
    SELECT id
    FROM member
    WHERE dataset_id = :dataset_id
        AND NOT EXISTS (SELECT FROM staged WHERE staged.reference = member.reference)
), removed AS (
    DELETE FROM member
    USING gone
    WHERE member.id = gone.id
        AND NOT EXISTS (SELECT FROM post WHERE post.member_id = member.id)
)
UPDATE member
SET max_posts = 0
FROM gone
WHERE member.id = gone.id AND EXISTS (SELECT FROM post WHERE post.member_id = member.id)

-- known_codes --
-- Divisions of the other levels, which a code must not repeat and a parent may be.
SELECT code, level
FROM division
WHERE dataset_id = :dataset_id AND level <> :level

-- community_bounds --
SELECT ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box)
FROM (
    SELECT ST_Extent(geometry) AS box
    FROM division
    WHERE dataset_id = :dataset_id AND level = 'community'
) AS extent
WHERE box IS NOT NULL

-- communities --
SELECT code, name, geometry
FROM division
WHERE dataset_id = :dataset_id AND level = 'community'
ORDER BY code COLLATE "C"

-- totals --
-- What the data set holds now.
SELECT
    (SELECT count(*) FROM division WHERE dataset_id = :dataset_id) AS divisions,
    (SELECT count(*) FROM household WHERE dataset_id = :dataset_id) AS records,
    (SELECT coalesce(sum(households), 0) FROM household WHERE dataset_id = :dataset_id)
        AS households,
    (SELECT count(*) FROM barrier WHERE dataset_id = :dataset_id) AS barriers,
    (SELECT count(*) FROM member WHERE dataset_id = :dataset_id) AS members,
    (SELECT count(*) FROM facility WHERE dataset_id = :dataset_id) AS facilities

-- rejects --
-- Rejected rows of the given batches, in the order of the files.
SELECT import_batch.source, import_batch.file, import_reject.row, import_reject.field,
    import_reject.reason, import_reject.raw
FROM import_reject
JOIN import_batch ON import_batch.id = import_reject.batch_id
WHERE import_reject.batch_id = ANY (CAST(:batches AS integer[]))
ORDER BY array_position(CAST(:batches AS integer[]), batch_id), row, import_reject.id
