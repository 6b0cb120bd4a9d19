-- Tables that several queries read: each becomes the first step of their printed texts.

-- name: window_outputs
-- An answer that was drawn stands for others: weight is how many it stands for.
SELECT output_id, source, agent, model, use_case, $weight FROM $outputs
$window;

-- name: current_verdicts
-- Of a claim that was judged several times, the last judgement.
SELECT claim_id, verdict_id, output_id, date, produced_at, verdict, p_supported, p_contradicted,
       p_insufficient, threshold_supported, threshold_contradicted, verifier, policy, snapshot, is_conflict, citation,
       agent, model, use_case,
       $because,
       $part,
       CASE WHEN verdict = 'contradicted' THEN verdict WHEN is_conflict THEN 'conflict' ELSE part END AS standing,
       regexp_matches(reason, '$addressed') AS is_addressed,
       coalesce(weight, 1) AS weight
FROM $verdicts LEFT JOIN (SELECT output_id, weight FROM window_outputs) USING (output_id)
$window
QUALIFY $newest_verdict;

-- name: last_actions
SELECT output_id, action, outcome, abstention_count, overlooked_passage_id, policy, reason FROM $actions
$window
QUALIFY $newest_action;

-- name: failures
-- Answers that failed a verification, and what is known newest of whether they were caught; where a release before
-- this one verified them, nothing is.
SELECT output_id, agent, source, weight, coalesce(state, 'unknown') AS state, coalesce(because, 'not_known') AS because,
       hours, delivered_at, recorded_at
FROM window_outputs
LEFT JOIN (SELECT * FROM $caught $window QUALIFY $newest_caught) AS known USING (output_id)
LEFT JOIN last_actions USING (output_id)
ANTI JOIN $outputs AS newer ON newer.supersedes = window_outputs.output_id
WHERE known.state IS NOT NULL OR last_actions.action <> 'delivered';

-- name: answer_standings
-- Of an answer's claims the worst one counts.
SELECT output_id, policy, weight, coalesce(action, 'undecided') AS action,
       coalesce(worst, CASE outcome WHEN 'abstained' THEN outcome END, 'no_claims') AS standing
FROM window_outputs
LEFT JOIN (
  SELECT output_id, arg_min(standing, list_position($standing_order, standing)) AS worst
  FROM current_verdicts GROUP BY 1
) USING (output_id)
LEFT JOIN last_actions USING (output_id);
