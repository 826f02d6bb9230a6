-- Who leads, and what keeps everybody else from writing.

CREATE TABLE schema_migrations (
	version int PRIMARY KEY,
	name text NOT NULL,
	checksum text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row.  epoch: grows with each server that takes the lead.  session: grows with each connection
-- of that server, so that a connection which it gave up cannot write any more.
CREATE TABLE leader (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	epoch bigint NOT NULL,
	session bigint NOT NULL,
	holder text NOT NULL,
	since timestamptz NOT NULL
);
INSERT INTO leader (epoch, session, holder, since) VALUES (0, 0, 'nobody', now());

-- The transactions of this epoch whose end the leader may not know yet.
CREATE TABLE txn_log (
	epoch bigint NOT NULL,
	seq bigint NOT NULL,
	PRIMARY KEY (epoch, seq)
);

CREATE FUNCTION leader_claim(who text, OUT epoch bigint, OUT session bigint)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE leader AS l SET epoch = l.epoch + 1, session = 1, holder = who, since = now()
		RETURNING l.epoch, l.session INTO epoch, session;
	DELETE FROM txn_log AS t WHERE t.epoch < leader_claim.epoch;
END
$$;

-- The same leader over a new connection; session is null if another leads by now.
CREATE FUNCTION leader_resume(was bigint, who text, OUT session bigint)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE leader AS l SET session = l.session + 1
		WHERE l.epoch = was AND l.holder = who
		RETURNING l.session INTO session;
END
$$;

-- First statement of every write: proves the epoch, holds the row until the end, so that a claim waits for
-- what is being written, and leaves a mark by which a lost answer can be looked up.
CREATE FUNCTION txn_guard(my_epoch bigint, my_session bigint, my_seq bigint, known_below bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	l leader;
BEGIN
	SELECT * INTO STRICT l FROM leader FOR UPDATE;
	IF l.epoch <> my_epoch THEN
		RAISE EXCEPTION 'epoch % is over: % leads with epoch %', my_epoch, l.holder, l.epoch
			USING ERRCODE = 'DR001';
	END IF;
	IF l.session <> my_session THEN
		RAISE EXCEPTION 'session % is over', my_session USING ERRCODE = 'DR002';
	END IF;
	INSERT INTO txn_log (epoch, seq) VALUES (my_epoch, my_seq);
	DELETE FROM txn_log WHERE epoch = my_epoch AND seq < known_below;
END
$$;
