-- What a staffing that was to explain itself found: roles short in a division.
CREATE TABLE shortage (
    dataset_id    integer NOT NULL,
    role          text NOT NULL,
    division_code text NOT NULL,
    needed        integer NOT NULL,
    eligible      integer NOT NULL,
    in_reach      integer NOT NULL,
    filled        integer NOT NULL,
    missing       integer NOT NULL,
    relieved      integer NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_shortage PRIMARY KEY (dataset_id, role, division_code),
    CONSTRAINT fk_shortage_dataset_id FOREIGN KEY (dataset_id)
        REFERENCES dataset (id) ON DELETE CASCADE,
    CONSTRAINT fk_shortage_division_code FOREIGN KEY (division_code)
        REFERENCES division (code) ON DELETE CASCADE,
    CONSTRAINT ck_shortage_role CHECK (role ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT ck_shortage_people CHECK (eligible >= 0 AND in_reach >= 0),
    CONSTRAINT ck_shortage_posts
        CHECK (filled >= 0 AND missing > 0 AND needed = filled + missing),
    CONSTRAINT ck_shortage_relieved CHECK (relieved BETWEEN 0 AND missing)
);
CREATE INDEX ix_shortage_division_code ON shortage (division_code);

-- Who would take a vacant post if it were not too far away.
CREATE TABLE relief (
    grid_id    integer NOT NULL,
    role       text NOT NULL,
    member_id  integer NOT NULL,
    distance_m integer NOT NULL,
    CONSTRAINT pk_relief PRIMARY KEY (grid_id, role, member_id),
    CONSTRAINT fk_relief_grid_id FOREIGN KEY (grid_id) REFERENCES grid (id) ON DELETE CASCADE,
    CONSTRAINT fk_relief_member_id FOREIGN KEY (member_id)
        REFERENCES member (id) ON DELETE CASCADE,
    CONSTRAINT ck_relief_role CHECK (role ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT ck_relief_distance_m CHECK (distance_m >= 0)
);
CREATE INDEX ix_relief_member_id ON relief (member_id);
