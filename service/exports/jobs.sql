-- add --
INSERT INTO job.export (collection, suffix, query) VALUES (:collection, :suffix, :query)
RETURNING id

-- find --
SELECT id, collection, suffix, query, status, total, done, bytes, message, created, started, updated,
    finished
FROM job.export
WHERE id = CAST(:id AS uuid)

-- list --
-- The latest first.
SELECT id, collection, suffix, query, status, total, done, bytes, message, created, started, updated,
    finished
FROM job.export
ORDER BY created DESC, id
LIMIT :limit

-- take_up --
-- A job that a worker left half done begins again; one that was called off does not.
UPDATE job.export
SET status = 'running', started = now(), updated = now(), done = 0, total = NULL
WHERE id = CAST(:id AS uuid) AND status IN ('accepted', 'running')
RETURNING collection, suffix, query

-- advance --
-- No row where the job was called off meanwhile.
UPDATE job.export
SET done = done + :rows, total = coalesce(:total, total), updated = now()
WHERE id = CAST(:id AS uuid) AND status = 'running'
RETURNING id

-- succeed --
UPDATE job.export
SET status = 'successful', bytes = :bytes, done = coalesce(total, done), finished = now(),
    updated = now()
WHERE id = CAST(:id AS uuid) AND status = 'running'
RETURNING id

-- fail --
UPDATE job.export
SET status = 'failed', message = :message, finished = now(), updated = now()
WHERE id = CAST(:id AS uuid) AND status IN ('accepted', 'running')

-- dismiss --
UPDATE job.export
SET status = 'dismissed', finished = now(), updated = now()
WHERE id = CAST(:id AS uuid) AND status IN ('accepted', 'running')

-- forget --
DELETE FROM job.export WHERE id = CAST(:id AS uuid)

-- forget_old --
-- Jobs that ended so many days ago.
DELETE FROM job.export
WHERE finished < now() - make_interval(days => CAST(:days AS integer))
RETURNING id
