-- What pools may borrow, and what guests have reserved.

ALTER TABLE pools ADD cpu_expandable boolean NOT NULL DEFAULT true;
ALTER TABLE pools ADD mem_expandable boolean NOT NULL DEFAULT true;
ALTER TABLE pools ADD scalable_shares boolean NOT NULL DEFAULT false;

ALTER TABLE vms ADD cpu_shares_level text;
ALTER TABLE vms ADD cpu_shares bigint NOT NULL DEFAULT 0;
ALTER TABLE vms ADD cpu_reservation_mhz bigint NOT NULL DEFAULT 0;
ALTER TABLE vms ADD cpu_limit_mhz bigint NOT NULL DEFAULT 0;
ALTER TABLE vms ADD mem_shares_level text;
ALTER TABLE vms ADD mem_shares bigint NOT NULL DEFAULT 0;
ALTER TABLE vms ADD mem_reservation_mb bigint NOT NULL DEFAULT 0;
ALTER TABLE vms ADD mem_limit_mb bigint NOT NULL DEFAULT 0;

UPDATE pools SET cpu_expandable = false, mem_expandable = false WHERE is_root;
