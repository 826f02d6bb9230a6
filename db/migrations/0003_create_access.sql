-- Sessions, tokens, enrolment, and who did what.

CREATE TABLE sessions (
	id text PRIMARY KEY,
	token_hash text NOT NULL UNIQUE,
	csrf text NOT NULL,
	user_id obj_id NOT NULL,
	created_ms bigint NOT NULL,
	seen_ms bigint NOT NULL,
	expires_ms bigint NOT NULL,
	address text,
	client text
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
	id text PRIMARY KEY,
	token_hash text NOT NULL UNIQUE,
	user_id obj_id NOT NULL,
	name text NOT NULL,
	created_ms bigint NOT NULL,
	expires_ms bigint NOT NULL
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE enroll_tokens (
	token_hash text PRIMARY KEY,
	host obj_id,
	cluster obj_id,
	name text NOT NULL,
	created_ms bigint NOT NULL,
	expires_ms bigint NOT NULL,
	spent_ms bigint,
	created_by text
);

CREATE FUNCTION enroll_spend(hash text, at_ms bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE enroll_tokens SET spent_ms = at_ms
		WHERE token_hash = hash AND spent_ms IS NULL AND expires_ms > at_ms;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the enrolment token is unknown, used or expired' USING ERRCODE = 'DR003';
	END IF;
END
$$;

CREATE TABLE settings (
	name text PRIMARY KEY,
	value text NOT NULL
);

-- Rows are only ever added.  Each hash covers the row and the hash before it, so that a row
-- that was changed or taken out later shows (audit_check).
CREATE TABLE audit (
	id bigint PRIMARY KEY,
	at_ms bigint NOT NULL,
	user_id text,
	user_name text NOT NULL,
	address text NOT NULL,
	request_id text NOT NULL,
	action text NOT NULL,
	entity text,
	entity_name text NOT NULL,
	result text NOT NULL,
	detail text,
	hash text NOT NULL
);

CREATE FUNCTION audit_hash(before text, a audit)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT encode(sha256(convert_to(before || json_build_array(a.id, a.at_ms, a.user_id, a.user_name,
		a.address, a.request_id, a.action, a.entity, a.entity_name, a.result, a.detail)::text, 'UTF8')), 'hex')
$$;

-- Called under the leader's row lock, so nobody else adds at the same time.
CREATE FUNCTION audit_append(at_ms bigint, user_id text, user_name text, address text, request_id text,
	action text, entity text, entity_name text, result text, detail text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	before audit;
	a audit;
BEGIN
	SELECT * INTO before FROM audit ORDER BY id DESC LIMIT 1;
	a := (coalesce(before.id, 0) + 1, at_ms, user_id, user_name, address, request_id, action, entity,
		entity_name, result, detail, '');
	a.hash := audit_hash(coalesce(before.hash, ''), a);
	INSERT INTO audit SELECT a.*;
END
$$;

CREATE FUNCTION audit_check()
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
	a audit;
	before text := '';
	expected bigint := 1;
BEGIN
	FOR a IN SELECT * FROM audit ORDER BY id LOOP
		IF a.id <> expected OR a.hash <> audit_hash(before, a) THEN
			RETURN a.id;
		END IF;
		before := a.hash;
		expected := expected + 1;
	END LOOP;
	RETURN NULL;
END
$$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the audit trail is not changed';
END
$$;
CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit
	FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_table BEFORE TRUNCATE ON audit
	FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
