-- The most that guests wanted in each quarter of an hour of the last day: what comes every day is to be expected, whoever
-- leads.  most: "number:MHz" of each guest, with blanks; quarter: of an hour, since 1970.

CREATE TABLE drs_demand (
	quarter bigint PRIMARY KEY,
	most text NOT NULL
);
