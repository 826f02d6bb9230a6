-- Which servers there are, as each says itself every few seconds.  By the database's clock: a row that has not been said for
-- so long is left out.  No leadership goes with it, so it is not guarded by the epoch.

CREATE TABLE roster (
	agents text PRIMARY KEY, -- host:port where agents reach it
	api text NOT NULL,       -- and people; '': nowhere
	holder text NOT NULL,    -- as in the row of the leader
	version text NOT NULL,
	since timestamptz NOT NULL, -- of this process
	said timestamptz NOT NULL
);

CREATE FUNCTION roster_say(where_agents text, where_api text, who text, release text, keep_s integer)
	RETURNS SETOF roster LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO roster AS s VALUES (where_agents, where_api, who, release, now(), now())
		ON CONFLICT (agents) DO UPDATE SET api = where_api, version = release, said = now(), holder = who,
			since = CASE WHEN s.holder = who THEN s.since ELSE now() END;
	DELETE FROM roster AS s WHERE s.said < now() - keep_s * interval '1 s';
	RETURN QUERY SELECT * FROM roster ORDER BY roster.agents;
END $$;
