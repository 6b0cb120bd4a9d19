-- The queries that give the numbers of a page. What begins with a dollar sign is filled in by queries.py: tables
-- of the lake, days and ids of the run, orders of vocabularies. Each query is printed on the page, complete by
-- itself. `key` names the columns that tell its rows apart, `numbers` those whose cells the page shows.

-- name: answers
-- numbers: answers, abstained, in_part, overlooked
SELECT $count AS answers,
       $abstentions
FROM window_outputs LEFT JOIN last_actions USING (output_id);

-- name: sampled
-- numbers: audited, estimated
-- Where not every answer was audited, each stands for 1 / sampling_probability, by which every sum is weighted.
SELECT count(*) AS audited, $count AS estimated FROM window_outputs
HAVING sum(weight) > count(*);

-- name: verdicts
-- numbers: claims, supported, contradicted, unsettled, unchecked, checked, conflicts
SELECT $counts,
       coalesce(round(sum(weight) FILTER (part <> 'unchecked')), 0)::BIGINT AS checked,
       coalesce(round(sum(weight) FILTER (is_conflict)), 0)::BIGINT AS conflicts
FROM current_verdicts;

-- name: because
-- key: because, agent
-- numbers: claims
SELECT because, CASE WHEN grouping(agent) = 0 THEN agent ELSE 'all agents' END AS agent, $count AS claims
FROM current_verdicts WHERE because IS NOT NULL
GROUP BY GROUPING SETS ((because), (because, agent))
ORDER BY list_position($because_order, because), grouping(agent) DESC, claims DESC, agent;

-- name: citations
-- key: agent
-- numbers: claims, holds, other, none
SELECT agent, $count AS claims,
       coalesce(round(sum(weight) FILTER (citation = 'holds')), 0)::BIGINT AS holds,
       coalesce(round(sum(weight) FILTER (citation = 'other')), 0)::BIGINT AS other,
       coalesce(round(sum(weight) FILTER (citation = 'none')), 0)::BIGINT AS "none"
FROM current_verdicts WHERE citation IS NOT NULL
GROUP BY 1 ORDER BY other DESC, "none" DESC, 2 DESC, 1;

-- name: targets
-- key: policy
-- numbers: checked, supported, contradicted, target_supported_ratio, maximum_contradicted_ratio
WITH declared AS (
  SELECT key AS policy, (value->>'target_supported_ratio')::DOUBLE AS target_supported_ratio,
         (value->>'maximum_contradicted_ratio')::DOUBLE AS maximum_contradicted_ratio
  FROM (SELECT content::JSON AS content FROM $policy_values) AS kept, json_each(kept.content)
)
SELECT policy, coalesce(round(sum(weight) FILTER (part <> 'unchecked')), 0)::BIGINT AS checked,
       coalesce(round(sum(weight) FILTER (part = 'supported')), 0)::BIGINT AS supported,
       coalesce(round(sum(weight) FILTER (part = 'contradicted')), 0)::BIGINT AS contradicted,
       any_value(target_supported_ratio) AS target_supported_ratio,
       any_value(maximum_contradicted_ratio) AS maximum_contradicted_ratio
FROM current_verdicts JOIN declared USING (policy)
GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: measured
-- key: verifier
-- numbers: claims, balanced_accuracy, lowest, highest, sources, rows, calibration_error
WITH known AS (
  SELECT key AS verifier, value->>'name' AS name, value->'measured' AS measured
  FROM (SELECT content::JSON AS content FROM $verifiers) AS kept, json_each(kept.content)
)
SELECT verifier, coalesce(any_value(name), left(verifier, 12)) AS name, count(*) AS claims,
       any_value((measured->>'balanced_accuracy')::DOUBLE) AS balanced_accuracy,
       any_value((measured->>'lowest')::DOUBLE) AS lowest, any_value((measured->>'highest')::DOUBLE) AS highest,
       any_value(json_array_length(measured->'sources'))::BIGINT AS sources,
       any_value((measured->>'rows')::BIGINT) AS rows,
       any_value((measured->>'calibration_error')::DOUBLE) AS calibration_error
FROM current_verdicts LEFT JOIN known USING (verifier)
GROUP BY 1 ORDER BY claims DESC, 1;

-- name: reviewed
-- key: verdict
-- numbers: reviewed, confirmed, reviewers, share, ci_low, ci_high
WITH last AS (
  SELECT verdict_id, outcome, reviewer
  FROM (SELECT * FROM $reviews QUALIFY $newest_review)
  WHERE outcome IN ('confirmed', 'overturned')
  QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY reviewed_at DESC, review_id DESC) = 1
), counts AS (
  SELECT CASE WHEN grouping(verdict) = 0 THEN verdict ELSE 'any' END AS verdict, count(*) AS n,
         count(*) FILTER (outcome = 'confirmed') AS k, count(DISTINCT reviewer) AS reviewers
  FROM last JOIN (
    SELECT DISTINCT verdict_id, verdict, verifier FROM $verdicts SEMI JOIN last USING (verdict_id)
  ) USING (verdict_id)
  WHERE verifier IN (SELECT verifier FROM current_verdicts)
  GROUP BY GROUPING SETS ((), (verdict))
)
-- Wilson's interval.
SELECT verdict, n AS reviewed, k AS confirmed, reviewers, k / n AS share,
       greatest((k / n + z*z / (2*n) - z * sqrt(k / n * (1 - k / n) / n + z*z / (4*n*n))) / (1 + z*z / n), 0) AS ci_low,
       least((k / n + z*z / (2*n) + z * sqrt(k / n * (1 - k / n) / n + z*z / (4*n*n))) / (1 + z*z / n), 1) AS ci_high
FROM (SELECT *, 1.959963984540054 AS z FROM counts WHERE n > 0)
ORDER BY list_position($verdict_order, verdict) DESC;

-- name: accuracy
-- key: slice, value
-- numbers: reviewed, speaks_for, precision, precision_low, precision_high, recall, recall_low, recall_high
WITH last AS (
  SELECT verdict_id, outcome, corrected_verdict
  FROM (SELECT * FROM $reviews QUALIFY $newest_review)
  WHERE outcome IN ('confirmed', 'overturned')
  QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY reviewed_at DESC, review_id DESC) = 1
), kinds AS (
  SELECT agent, use_case, policy, verifier, verdict, weight, verdict <> 'supported' AS flagged,
         -- What people look at first: conflicts, and scores close to a threshold.
         is_conflict OR CASE verdict WHEN 'supported' THEN abs(p_supported - threshold_supported)
                                     WHEN 'contradicted' THEN abs(p_contradicted - threshold_contradicted)
                                     ELSE least(abs(p_supported - threshold_supported),
                                                abs(p_contradicted - threshold_contradicted)) END < 0.05 AS doubted,
         CASE WHEN outcome IS NULL THEN NULL WHEN outcome = 'confirmed' THEN verdict <> 'supported'
              WHEN verdict = 'supported' THEN true ELSE corrected_verdict <> 'supported' END AS faulty
  FROM current_verdicts LEFT JOIN last USING (verdict_id)
), weighed AS (
  -- Within a kind all had the same chance to be read, so each reviewed verdict stands for others of its kind.
  SELECT *, weight * count(*) OVER kind / nullif(count(faulty) OVER kind, 0) AS w
  FROM kinds WINDOW kind AS (PARTITION BY verifier, policy, verdict, doubted)
), sums AS (
  SELECT CASE WHEN grouping(agent) = 0 THEN 'agent' WHEN grouping(use_case) = 0 THEN 'use case'
              WHEN grouping(policy) = 0 THEN 'policy' ELSE 'all' END AS slice,
         CASE WHEN grouping(agent) = 0 THEN agent WHEN grouping(use_case) = 0 THEN use_case
              WHEN grouping(policy) = 0 THEN policy ELSE 'all claims' END AS value,
         count(faulty) AS reviewed, sum(weight) FILTER (w IS NOT NULL) / sum(weight) AS speaks_for,
         coalesce(sum(w) FILTER (flagged AND faulty), 0) AS hits,
         sum(w) FILTER (flagged AND faulty IS NOT NULL) AS called, sum(w) FILTER (faulty) AS wrong,
         sum(w * w) FILTER (flagged AND faulty IS NOT NULL) AS called_squares,
         sum(w * w) FILTER (faulty) AS wrong_squares
  FROM weighed GROUP BY GROUPING SETS ((), (agent), (use_case), (policy))
), shares AS (
  SELECT *, hits / called AS precision, called * called / called_squares AS called_n,
         hits / wrong AS recall, wrong * wrong / wrong_squares AS wrong_n, 1.959963984540054 AS z
  FROM sums WHERE reviewed > 0
)
-- Wilson's intervals; weights count as so many reviews as vary as much.
SELECT slice, value, reviewed, speaks_for, precision,
       $precision_interval,
       recall,
       $recall_interval
FROM shares ORDER BY list_position(['all', 'agent', 'use case', 'policy'], slice), reviewed DESC, value;

-- name: nights
-- key: run_id
-- numbers: claims, supported, contradicted, unsettled, unchecked
WITH own AS (
  SELECT flow, started_at FROM $runs WHERE run_id = '$run_id'
), shown AS (
  -- This run, and the one before it of its kind that judged anything.
  SELECT run_id, runs.started_at, runs.verifier, runs.policy
  FROM $runs AS runs JOIN own ON runs.flow = own.flow AND runs.started_at <= own.started_at
  WHERE run_id = '$run_id' OR (runs.status = 'completed' AND run_id IN (SELECT DISTINCT run_id FROM $verdicts))
  ORDER BY run_id = '$run_id' DESC, runs.started_at DESC, run_id LIMIT 2
), judged AS (
  SELECT run_id, output_id, date, verdict, $because, $part FROM $verdicts WHERE run_id IN (SELECT run_id FROM shown)
), counts AS (
  SELECT run_id, $counts
  FROM (
    SELECT run_id, verdict, because, part, coalesce(weight, 1) AS weight
    FROM judged LEFT JOIN (
      SELECT output_id, $weight FROM $outputs WHERE date IN (SELECT date FROM judged)
    ) USING (output_id)
  ) GROUP BY 1
)
SELECT run_id, started_at, verifier, policy,
       $sums
FROM shown LEFT JOIN counts USING (run_id)
ORDER BY run_id = '$run_id' DESC, started_at DESC, run_id;

-- name: by
-- key: $columns
-- numbers: answers, claims, supported, contradicted, unsettled, unchecked
SELECT $columns, coalesce(answers, 0) AS answers,
       $sums
FROM (SELECT $recorded, $count AS answers FROM window_outputs GROUP BY ALL)
FULL JOIN (
  SELECT $recorded,
         $counts
  FROM current_verdicts GROUP BY ALL
) USING ($columns)
ORDER BY contradicted DESC, unsettled DESC, claims DESC, $columns;

-- name: over-time
-- key: period
-- numbers: claims, supported, contradicted, unsettled, unchecked
SELECT date_trunc('$period', date)::DATE AS period,
       $counts
FROM current_verdicts GROUP BY 1 ORDER BY 1;

-- name: trend
-- key: slice, date
-- numbers: value, ci_low, ci_high, count
WITH named AS (
  SELECT date, output_id, $weight,
         $encoded
  FROM (FROM $outputs $trend_window) AS outputs
  ANTI JOIN $outputs AS newer ON newer.supersedes = outputs.output_id AND newer.date = outputs.date
), kinds AS (
  SELECT verifier, policy, max(verified_at) AS newest FROM $verdicts
  SEMI JOIN named USING (output_id, date)
  GROUP BY 1, 2
), comparable AS (
  -- Only like is compared with like: the newest verifier, and the newest version of each policy.
  SELECT verifier, policy FROM kinds
  WHERE verifier = (SELECT verifier FROM kinds ORDER BY newest DESC, verifier DESC LIMIT 1)
    AND policy IN (SELECT policy FROM kinds QUALIFY row_number() OVER (
      PARTITION BY split_part(policy, '@', 1) ORDER BY newest DESC, policy DESC) = 1)
), last AS (
  SELECT date, output_id, policy, verdict FROM $verdicts JOIN comparable USING (verifier, policy)
  $trend_window
  QUALIFY row_number() OVER (PARTITION BY claim_id, policy ORDER BY verified_at DESC, verdict_id DESC) = 1
), counts AS (
  SELECT date, output_id, policy, count(*) FILTER (verdict = 'supported')::DOUBLE AS y,
         count(*)::DOUBLE AS x
  FROM last GROUP BY 1, 2, 3
), clusters AS (
  SELECT * REPLACE (weight * y AS y, weight * x AS x) FROM counts JOIN named USING (output_id, date)
), cells AS (
  SELECT date,
         coalesce(nullif(concat_ws('&',
           $named), ''), 'all') AS slice,
         sum(y) AS y, sum(x) AS x, sum(y * y) AS yy, sum(x * y) AS xy, sum(x * x) AS xx, count(*) AS m
  FROM clusters GROUP BY GROUPING SETS ($sets)
), shares AS (
  SELECT date, slice, x, y / x AS p,
         greatest(yy - 2 * y / x * xy + y / x * y / x * xx, 0)
           * CASE WHEN m > 1 THEN m / (m - 1) ELSE 1 END / (x * x) AS variance
  FROM cells
), sizes AS (
  SELECT *, x / CASE WHEN p * (1 - p) > 0 THEN greatest(variance * x / (p * (1 - p)), 1) ELSE 1 END AS n,
         1.959963984540054 AS z
  FROM shares
)
-- Wilson's interval with the effective number of claims, answers as clusters.
SELECT date, slice, p AS value,
       greatest((p + z*z / (2*n) - z * sqrt(p * (1-p) / n + z*z / (4*n*n))) / (1 + z*z / n), 0) AS ci_low,
       least((p + z*z / (2*n) + z * sqrt(p * (1-p) / n + z*z / (4*n*n))) / (1 + z*z / n), 1) AS ci_high,
       x AS count
FROM sizes ORDER BY slice, date;

-- name: scores
-- key: tenth
-- numbers: supported, contradicted, unsettled
SELECT least(floor(p_supported * 10), 9)::INTEGER AS tenth,
       $counts
FROM current_verdicts WHERE part <> 'unchecked' GROUP BY 1 ORDER BY 1;

-- name: actions
-- key: action
-- numbers: answers
SELECT action, $count AS answers
FROM (
  SELECT action, coalesce(weight, 1) AS weight FROM last_actions LEFT JOIN window_outputs USING (output_id)
)
GROUP BY 1 ORDER BY list_position($action_order, action);

-- name: action-reasons
-- key: action, policy, standing
-- numbers: answers
SELECT action, policy, standing, $count AS answers
FROM answer_standings WHERE policy IS NOT NULL
GROUP BY 1, 2, 3 ORDER BY list_position($action_order, action), 4 DESC, 2, 3;

-- name: flow
-- key: standing, action
-- numbers: answers
SELECT standing, action, $count AS answers
FROM answer_standings GROUP BY 1, 2
ORDER BY list_position($standing_order, standing), list_position($action_order, action);

-- name: caught
-- key: agent
-- numbers: failed, caught, late, unknown, share, ci_low, ci_high, hours
WITH counts AS (
  SELECT CASE WHEN grouping(agent) = 0 THEN agent ELSE 'all agents' END AS agent, grouping(agent) AS of_all,
         $count AS failed,
         coalesce(round(sum(weight) FILTER (state = 'caught')), 0)::BIGINT AS caught,
         coalesce(round(sum(weight) FILTER (state = 'late')), 0)::BIGINT AS late,
         coalesce(round(sum(weight) FILTER (state = 'unknown')), 0)::BIGINT AS unknown,
         sum(weight) FILTER (state = 'caught') AS y, sum(weight) FILTER (state <> 'unknown') AS x,
         sum(weight * weight) FILTER (state <> 'unknown') AS xx, median(hours) AS hours
  FROM failures GROUP BY GROUPING SETS ((), (agent)) HAVING count(*) > 0
), sizes AS (
  SELECT *, coalesce(y, 0) / x AS p, x * x / xx AS n, 1.959963984540054 AS z FROM counts
)
-- Of those whose delivery is known. Wilson's interval; weights count as so many answers as vary as much.
SELECT agent, failed, caught, late, unknown, p AS share,
       greatest((p + z*z / (2*n) - z * sqrt(p * (1-p) / n + z*z / (4*n*n))) / (1 + z*z / n), 0) AS ci_low,
       least((p + z*z / (2*n) + z * sqrt(p * (1-p) / n + z*z / (4*n*n))) / (1 + z*z / n), 1) AS ci_high,
       hours
FROM sizes ORDER BY of_all DESC, late DESC, failed DESC, agent;

-- name: late
-- key: output_id
-- numbers: hours
SELECT output_id, failures.agent, failures.source, source_id, outputs.produced_at, because, failures.delivered_at,
       recorded_at, hours, count(*) OVER () AS of
FROM failures JOIN $outputs AS outputs USING (output_id)
WHERE state = 'late'
ORDER BY hours DESC NULLS LAST, output_id LIMIT $late_room;

-- name: taken
-- key: decided, action, is_before
-- numbers: answers
SELECT decided, action, is_before, $count AS answers, is_deviation
FROM (SELECT * FROM $actions_taken $window QUALIFY $newest_taken) JOIN window_outputs USING (output_id)
WHERE decided IS NOT NULL
GROUP BY ALL ORDER BY is_deviation DESC, answers DESC, decided, action, is_before;

-- name: abstentions
-- key: agent
-- numbers: answers, abstained, in_part, overlooked
SELECT agent, $count AS answers,
       $abstentions
FROM window_outputs LEFT JOIN last_actions USING (output_id)
GROUP BY 1 ORDER BY 3 DESC, 4 DESC, 2 DESC, 1;

-- name: worst
-- key: claim_id
-- numbers: p_supported, p_contradicted, p_insufficient
WITH severe AS (
  SELECT claim_id, standing, agent, use_case,
         CASE standing WHEN 'contradicted' THEN p_contradicted
                       WHEN 'conflict' THEN least(p_contradicted, p_supported)
                       -- The nearer to the threshold, the less was missing for another verdict.
                       WHEN 'supported' THEN 1 - (p_supported - threshold_supported)
                       ELSE 1 - p_supported END AS severity
  FROM current_verdicts
), placed AS (
  -- The worst of each standing, and besides these the worst of each agent and use case.
  SELECT claim_id, standing, severity,
         row_number() OVER (PARTITION BY standing ORDER BY severity DESC, claim_id) AS place,
         CASE standing WHEN 'contradicted' THEN $claim_room // 2 WHEN 'unchecked' THEN 0
                       ELSE $claim_room // 4 END AS room,
         row_number() OVER (PARTITION BY agent, use_case, standing ORDER BY severity DESC, claim_id)
           AS place_in_slice
  FROM severe
), chosen AS (
  SELECT claim_id, severity FROM placed
  WHERE place <= room OR place_in_slice <= $slice_room
  ORDER BY place > room, list_position($standing_order, standing), severity DESC, claim_id
  LIMIT $whole_room
)
SELECT claim_id, verdict_id, output_id, produced_at, agent, model, use_case, verdict, standing, because, verifier,
       policy, snapshot, p_supported, p_contradicted, p_insufficient
FROM chosen JOIN current_verdicts USING (claim_id)
ORDER BY list_position($standing_order, standing), severity DESC, claim_id;

-- name: evidence
-- key: claim_id, verifier, snapshot, rank
-- numbers: p_supported, p_contradicted, p_insufficient
WITH weighed AS (
  SELECT evidence.*, standing = 'conflict' AND evidence.p_supported > evidence.p_contradicted AS supports,
         count(*) OVER (PARTITION BY claim_id) AS offered,
         CASE standing WHEN 'contradicted' THEN evidence.p_contradicted
                       ELSE greatest(evidence.p_supported, evidence.p_contradicted) END AS weight
  FROM $evidence AS evidence JOIN current_verdicts USING (claim_id, verifier, snapshot)
  WHERE claim_id IN ($shown) AND evidence.date IN ($days)
), turns AS (
  -- The strongest first; where the evidence is in conflict, both sides take turns.
  SELECT *, row_number() OVER (PARTITION BY claim_id, supports ORDER BY weight DESC, rank) AS turn
  FROM weighed
)
SELECT claim_id, verifier, snapshot, rank, passage_id, origin, p_supported, p_contradicted, p_insufficient,
       tokens_offered, tokens_seen, offered
FROM turns
QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY turn, weight DESC, rank) <= $passage_room
ORDER BY claim_id, turn, weight DESC, rank;

-- name: findings
-- key: kind, detector
-- numbers: findings, answers
SELECT kind, detector, count(*) AS findings, count(DISTINCT output_id) AS answers,
       first(masked ORDER BY confidence DESC, finding_id) AS example
FROM $findings
$window
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;

-- name: addressed-evidence
-- numbers: claims
SELECT count(*) AS claims FROM current_verdicts WHERE is_addressed;

-- name: quarantine
-- key: table, source, check
-- numbers: rows
SELECT "table", source, "check", count(*) AS rows,
       first(reason ORDER BY locator, row_sha256) AS reason, min(locator) AS locator
FROM $quarantine
WHERE run_id = '$run_id'
GROUP BY 1, 2, 3 ORDER BY rows DESC, 1, 2, 3;

-- name: reconciliation
-- key: table
-- numbers: in, published, already_there, quarantined, left_out
SELECT *, "in" = published + already_there + quarantined + left_out AS adds_up
FROM (
  SELECT key AS "table", coalesce((value->>'in')::BIGINT, 0) AS "in",
         coalesce((value->>'published')::BIGINT, 0) AS published,
         coalesce((value->>'already_there')::BIGINT, 0) AS already_there,
         coalesce((value->>'quarantined')::BIGINT, 0) AS quarantined,
         coalesce((value->>'filtered')::BIGINT, 0) + coalesce((value->>'joined')::BIGINT, 0)
           + coalesce((value->>'sampled_out')::BIGINT, 0) AS left_out
  FROM $runs AS runs, json_each(runs.counts)
  WHERE run_id = '$run_id'
)
ORDER BY 1;

-- name: minimised
-- key: source, how, path
-- numbers: taken
WITH sources AS (
  SELECT each.key AS source, each.value AS paths
  FROM $runs AS runs, json_each(runs.counts::JSON->'outputs'->'minimised') AS each
  WHERE run_id = '$run_id'
)
SELECT source, split_part(each.key, ' ', 1) AS how, substr(each.key, strpos(each.key, ' ') + 1) AS path,
       each.value::BIGINT AS taken
FROM sources, json_each(sources.paths) AS each
ORDER BY 1, 2, 3;

-- name: redaction
-- numbers: reviewed, missed, share, ci_low, ci_high
-- Answers that people read after a redactor, and the exact interval (Clopper and Pearson) as the run kept it.
WITH kept AS (
  SELECT counts::JSON->'findings'->'redaction' AS r FROM $runs WHERE run_id = '$run_id'
)
SELECT (r->>'reviewed')::BIGINT AS reviewed, (r->>'missed')::BIGINT AS missed,
       (r->>'missed')::DOUBLE / (r->>'reviewed')::DOUBLE AS share,
       (r->>'low')::DOUBLE AS ci_low, (r->>'high')::DOUBLE AS ci_high
FROM kept WHERE (r->>'reviewed')::BIGINT > 0;

-- name: lacks
-- key: source, what
-- numbers: records
WITH sources AS (
  SELECT each.key AS source, each.value AS counts
  FROM $runs AS runs, json_each(runs.counts::JSON->'outputs'->'lacks') AS each
  WHERE run_id = '$run_id'
)
SELECT source, each.key AS what, each.value::BIGINT AS records
FROM sources, json_each(sources.counts) AS each
WHERE each.value::BIGINT > 0
ORDER BY 1, 2;

-- name: validation
-- key: table
-- numbers: rows, evaluated, quarantined
SELECT result->>'table' AS "table", coalesce(sum((result->>'rows')::BIGINT), 0)::BIGINT AS rows,
       coalesce(sum((result->>'evaluated')::BIGINT), 0)::BIGINT AS evaluated,
       coalesce(sum((result->>'quarantined')::BIGINT), 0)::BIGINT AS quarantined,
       coalesce(bool_or((result->>'gate_failed')::BOOLEAN), false) AS gate_failed
FROM (SELECT unnest((content->'results')::JSON[]) AS result FROM $validation)
GROUP BY 1 ORDER BY 1;

-- name: failures
-- key: table, expectation, column, severity
-- numbers: rows
SELECT "table", failure->>'expectation' AS expectation, failure->>'column' AS "column",
       failure->>'severity' AS severity, sum((failure->>'rows')::BIGINT)::BIGINT AS rows
FROM (
  SELECT result->>'table' AS "table", unnest((result->'failures')::JSON[]) AS failure
  FROM (SELECT unnest((content->'results')::JSON[]) AS result FROM $validation)
)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 5 DESC, 2, 3, 4;

-- name: drift
-- key: slice, metric
-- numbers: baseline_value, current_value, difference, ci_low, ci_high, p_adjusted, harm, threshold
SELECT * FROM $drift
WHERE report_id = '$report_id'
ORDER BY status, harm DESC NULLS LAST, slice, metric;

-- name: drift-status
-- key: says
-- numbers: rows
SELECT CASE WHEN status <> 'drifted' THEN status
            WHEN direction IN ('worse', 'better') THEN direction ELSE 'changed' END AS says,
       count(*) AS rows
FROM $drift
WHERE report_id = '$report_id'
GROUP BY 1 ORDER BY 1;

-- name: flips
-- key: verdict_before, cause
-- numbers: population, judged, flips, share, ci_low, ci_high
SELECT slice, verdict_before, cause, population, judged, flips, share, ci_low, ci_high, found_at
FROM $flip_shares
WHERE run_id = '$reaudit' AND slice = 'all' AND (cause = 'any' OR flips > 0)
ORDER BY list_position($verdict_order, verdict_before), list_position($cause_order, cause);

-- name: flips-delivered
-- numbers: answers
SELECT count(DISTINCT output_id) FILTER (is_delivered AND verdict <> 'supported') AS answers,
       coalesce(bool_and(evidence_change = 'documents') FILTER (cause = 'evidence'), true) AS by_documents
FROM $flips
WHERE run_id = '$reaudit';

-- name: health
-- key: target
-- numbers: latency_ms, lag_s
SELECT target, kind, checked_at, ok, latency_ms, lag_s, error, alarms FROM $health
WHERE run_id = '$run_id'
ORDER BY ok, kind, target;

-- name: availability
-- key: target
-- numbers: available, days, days_down, checks, goal
WITH own AS (
  SELECT finished_at FROM $runs WHERE run_id = '$run_id'
), by_day AS (
  SELECT target, date_trunc('day', checked_at) AS day, count(*) AS checks, avg(ok::INT) AS share
  FROM $health JOIN own ON checked_at <= finished_at AND checked_at > finished_at - INTERVAL 30 DAY
  WHERE kind = 'source'
  GROUP BY ALL
)
-- A day counts once, however often it was checked; days without a check say nothing.
SELECT target, avg(share) AS available, count(*) AS days, count(*) FILTER (share < 1) AS days_down,
       sum(checks)::BIGINT AS checks,
       (SELECT any_value(((content::JSON->>'health')::JSON->>'availability_target')::DOUBLE) FROM $settings) AS goal
FROM by_day
GROUP BY 1 ORDER BY available, days_down DESC, target;

-- name: completeness
-- key: source
-- numbers: days, complete, missing_days, missing, never_pulled, unknown, theirs, ours
WITH own AS (
  SELECT started_at FROM $runs WHERE run_id = '$run_id'
), last AS (
  SELECT rows.* FROM $completeness AS rows JOIN own ON checked_at <= started_at
  QUALIFY row_number() OVER (PARTITION BY source, day ORDER BY checked_at DESC, rows.run_id) = 1
)
SELECT source, count(*) FILTER (state <> 'never_pulled') AS days,
       count(*) FILTER (state IN ('complete', 'surplus')) AS complete,
       count(*) FILTER (state = 'missing') AS missing_days,
       coalesce(sum(missing_count) FILTER (state = 'missing'), 0)::BIGINT AS missing,
       count(*) FILTER (state = 'never_pulled') AS never_pulled, count(*) FILTER (state = 'unknown') AS unknown,
       coalesce(sum(theirs), 0)::BIGINT AS theirs, coalesce(sum(ours) FILTER (theirs IS NOT NULL), 0)::BIGINT AS ours,
       bool_or(basis = 'source') AS is_asked
FROM last
GROUP BY 1 ORDER BY missing DESC, never_pulled DESC, unknown DESC, source;

-- name: incomplete
-- key: source, day
-- numbers: theirs, ours, missing_count
WITH own AS (
  SELECT started_at FROM $runs WHERE run_id = '$run_id'
), last AS (
  SELECT rows.* FROM $completeness AS rows JOIN own ON checked_at <= started_at
  QUALIFY row_number() OVER (PARTITION BY source, day ORDER BY checked_at DESC, rows.run_id) = 1
)
SELECT source, day, state, theirs, ours, missing_count, missing_ids, reason
FROM last WHERE state IN ('missing', 'never_pulled', 'unknown')
ORDER BY list_position(['missing', 'never_pulled', 'unknown'], state), missing_count DESC, day DESC, source;

-- name: inventory
-- key: kind, name, version
-- numbers: outputs, failed, contradicted
WITH own AS (
  SELECT finished_at FROM $runs WHERE run_id = '$run_id'
), last AS (
  SELECT max(taken_at) AS taken_at FROM $inventory JOIN own ON taken_at <= finished_at
)
SELECT kind, name, version, first_seen_at, last_seen_at, outputs, failed, contradicted, declared, owner, provider,
       agreement_until, finding, taken_at
FROM $inventory JOIN last USING (taken_at)
ORDER BY finding IS NULL, kind, outputs DESC, name, version;

-- name: run
-- numbers: rows_in, rows_out, rows_quarantined, waiting
SELECT flow, status, started_at, finished_at, parameters, code_version, rows_in, rows_out, rows_quarantined,
       coalesce(TRY_CAST(counts::JSON->'verdicts'->'judge'->>'waiting' AS BIGINT), 0) AS waiting
FROM $runs
WHERE run_id = '$run_id';

-- name: of-run
-- key: part
-- numbers: claims
WITH judged AS (
  SELECT output_id, date, verdict, $because, $part FROM $verdicts WHERE run_id = '$run_id'
)
SELECT part, $count AS claims
FROM (
  SELECT part, coalesce(weight, 1) AS weight
  FROM judged LEFT JOIN (
    SELECT output_id, $weight FROM $outputs WHERE date IN (SELECT date FROM judged)
  ) USING (output_id)
)
GROUP BY 1 ORDER BY list_position($part_order, part);

-- name: ledger
-- numbers: size
SELECT count(*) AS size FROM $events
WHERE sequence < $ledger_size;

-- name: judged-by
-- key: what, name
-- numbers: rows
SELECT 'verifier' AS what, verifier AS name, count(*) AS rows FROM current_verdicts GROUP BY 1, 2
UNION ALL SELECT 'snapshot', snapshot, count(*) FROM current_verdicts GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2;

-- name: decided-by
-- key: what, name
-- numbers: rows
SELECT 'policy' AS what, policy AS name, count(*) AS rows FROM last_actions GROUP BY 1, 2
UNION ALL SELECT 'source', source, count(*) FROM window_outputs GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2;
