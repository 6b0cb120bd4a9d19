-- Tables that several queries read: each becomes the first step of their printed texts.

-- name: window_outputs
SELECT output_id, source, agent, model, use_case FROM $outputs
$window;

-- name: current_verdicts
-- Of a claim that was judged several times, the last judgement.
SELECT claim_id, verdict_id, output_id, date, produced_at, verdict, p_supported, p_contradicted,
       p_insufficient, verifier, policy, snapshot, is_conflict, agent, model, use_case,
       CASE WHEN verdict = 'contradicted' THEN 'contradicted' WHEN is_conflict THEN 'conflict'
            ELSE verdict END AS standing,
       regexp_matches(reason, '$addressed') AS is_addressed
FROM $verdicts
$window
QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY verified_at DESC, verdict_id DESC) = 1;

-- name: last_actions
SELECT output_id, action, outcome, abstention_count, overlooked_passage_id, policy, reason FROM $actions
$window
QUALIFY row_number() OVER (PARTITION BY output_id ORDER BY decided_at DESC, action_id DESC) = 1;
