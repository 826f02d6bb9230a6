-- Where events happened: their object and what it was in then, so that a cluster's events are found even where its guests
-- are gone or elsewhere.  Older ones have their object alone.

ALTER TABLE events ADD COLUMN places text[] NOT NULL DEFAULT '{}';
UPDATE events SET places = ARRAY[entity::text] WHERE entity IS NOT NULL;
DROP INDEX events_entity;
CREATE INDEX events_places ON events USING gin (places);
CREATE INDEX events_user ON events (lower(user_name), id DESC) WHERE user_name IS NOT NULL;
CREATE INDEX events_type ON events (type, id DESC);
