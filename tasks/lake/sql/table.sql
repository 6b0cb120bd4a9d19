CREATE OR REPLACE VIEW $table AS
SELECT * FROM read_parquet(getvariable('lake') || '/tables/$table/date=*/[!_.]*.parquet',
                           hive_partitioning = true, hive_types = {'date': DATE}, union_by_name = true);
