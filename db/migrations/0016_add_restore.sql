-- After a backup was restored: whatever was given out since it was made is not given out again.  Epochs, generations
-- and incarnations that hosts have seen are higher than the database's; so are numbers of objects, and of tasks, by which
-- hosts know orders.  What HA would conclude from the past is for people to look at first.
CREATE FUNCTION database_restored() RETURNS void
LANGUAGE sql AS $$
	UPDATE leader SET epoch = epoch + 1000000, beat = beat + 1, vacant = true;
	UPDATE counters SET last = last + 1000000;
	UPDATE vms SET run_gen = run_gen + 1000000;
	UPDATE hosts SET ha_inc = ha_inc + 1000000;
	UPDATE clusters SET ha_enabled = false;
$$;
