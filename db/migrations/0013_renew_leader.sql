-- The leader renews its row each second; who sees it stand still takes it over, if it is still as it was read.

ALTER TABLE leader
	ADD COLUMN beat bigint NOT NULL DEFAULT 0,       -- grows with each renewal and each take-over
	ADD COLUMN vacant boolean NOT NULL DEFAULT true, -- its holder gave it up
	ADD COLUMN process text NOT NULL DEFAULT '',     -- the holder, as its kernel knows it
	ADD COLUMN api text NOT NULL DEFAULT '',         -- host:port where people reach it
	ADD COLUMN agents text NOT NULL DEFAULT '';      -- and agents

DROP FUNCTION leader_claim(text);

-- Null if the row has moved since it was read.  A leader that was frozen in the middle of a write would hold the row
-- for ever: its lease is over, so its connections are ended.
CREATE FUNCTION leader_take(was_epoch bigint, was_beat bigint, who text, who_process text,
	who_api text, who_agents text, OUT epoch bigint, OUT session bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a, leader AS l
		WHERE l.epoch = was_epoch AND l.beat = was_beat AND NOT l.vacant
			AND a.application_name = l.holder AND a.usename = current_user AND a.pid <> pg_backend_pid();
	UPDATE leader AS l SET epoch = l.epoch + 1, session = 1, beat = l.beat + 1, vacant = false, since = now(),
			holder = who, process = who_process, api = who_api, agents = who_agents
		WHERE l.epoch = was_epoch AND l.beat = was_beat
		RETURNING l.epoch, l.session INTO epoch, session;
	DELETE FROM txn_log AS t WHERE t.epoch < leader_take.epoch;
END
$$;
