-- The tables of this lake as views for DuckDB. Every run writes this file again.
--   duckdb -init $file
-- For a copy of the lake elsewhere, first: SET VARIABLE lake = 'FOLDER';
SET VARIABLE lake = coalesce(getvariable('lake'), '$lake');

$tables
-- Outputs that no other supersedes, and what is said of them now.
CREATE OR REPLACE VIEW current_outputs AS
SELECT * FROM outputs WHERE output_id NOT IN (SELECT supersedes FROM outputs WHERE supersedes IS NOT NULL);
CREATE OR REPLACE VIEW current_claims AS
SELECT * FROM claims SEMI JOIN current_outputs USING (output_id);
-- One verdict a claim: the newest.
CREATE OR REPLACE VIEW current_verdicts AS
SELECT * FROM verdicts SEMI JOIN current_outputs USING (output_id)
QUALIFY $newest_verdict;
-- One action an output: the newest.
CREATE OR REPLACE VIEW current_actions AS
SELECT * FROM actions SEMI JOIN current_outputs USING (output_id)
QUALIFY $newest_action;
-- Of each output that failed, whether it was caught before its user had it, and what was really done with outputs.
CREATE OR REPLACE VIEW current_caught AS
SELECT * FROM caught SEMI JOIN current_outputs USING (output_id)
QUALIFY $newest_caught;
CREATE OR REPLACE VIEW current_actions_taken AS
SELECT * FROM actions_taken SEMI JOIN current_outputs USING (output_id)
QUALIFY $newest_taken;

-- Every verifier that judged in this lake: what the 64 digits in `verifier` mean.
CREATE OR REPLACE VIEW verifiers AS
SELECT key AS verifier, value->>'name' AS name, value->>'fingerprint' AS fingerprint,
       value->'settings'->>'model' AS model, value->>'settings' AS settings
FROM read_text(getvariable('lake') || '/state/verifiers.json') AS kept, json_each(kept.content);

-- What each run cost, by agent. A run is timed and billed as a whole, so seconds, cost and the tokens of a paid
-- judge are shared out by the tokens that were read of the agent (`share`). The currency is that of the prices.
CREATE OR REPLACE VIEW run_costs AS
WITH judged AS (SELECT DISTINCT run_id, claim_id, agent FROM verdicts),
shown AS (
  SELECT run_id, claim_id, count(*) AS pairs, sum(tokens_seen) AS tokens FROM evidence GROUP BY ALL
), work AS (
  SELECT run_id, agent, count(*) AS claims, coalesce(sum(pairs), 0)::BIGINT AS pairs,
         coalesce(sum(tokens), 0)::BIGINT AS tokens
  FROM judged LEFT JOIN shown USING (run_id, claim_id) GROUP BY ALL
), bills AS (
  SELECT parse_path(filename)[-2] AS run_id, (content->>'cost')::DOUBLE AS cost,
         (content->>'input_tokens')::DOUBLE + (content->>'output_tokens')::DOUBLE AS paid_tokens
  FROM (
    SELECT filename, content::JSON AS content
    FROM read_text(getvariable('lake') || '/runs/*/judge-usage.json')
  )
), shares AS (
  SELECT *, CASE WHEN sum(tokens) OVER of_run > 0 THEN tokens / sum(tokens) OVER of_run
                 ELSE claims / sum(claims) OVER of_run END AS share
  FROM work WINDOW of_run AS (PARTITION BY run_id)
)
SELECT run_id, flow, started_at, agent, claims, pairs, tokens, share,
       share * (epoch_us(finished_at) - epoch_us(started_at)) / 1e6 AS seconds,
       share * paid_tokens AS paid_tokens, share * cost AS cost
FROM shares JOIN runs USING (run_id) LEFT JOIN bills USING (run_id);
