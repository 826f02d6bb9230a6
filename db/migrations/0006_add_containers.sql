-- Guests and templates are machines or containers.

ALTER TABLE vms ADD guest_type text NOT NULL DEFAULT 'machine';
ALTER TABLE vms ADD container json;

ALTER TABLE templates ADD guest_type text NOT NULL DEFAULT 'machine';
ALTER TABLE templates ADD layers json;
ALTER TABLE templates ADD container json;
