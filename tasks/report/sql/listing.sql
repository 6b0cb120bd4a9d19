-- The claims of the pages beside a run's page: each with how little was missing for another verdict.

-- name: claims
-- key: claim_id
-- numbers: p_supported, p_contradicted, margin
SELECT claim_id, output_id, produced_at, agent, standing, because, p_supported, p_contradicted,
       CASE verdict WHEN 'supported' THEN p_supported - threshold_supported
                    WHEN 'contradicted' THEN p_contradicted - threshold_contradicted
                    -- What could not be checked has no distance to anything.
                    ELSE CASE WHEN part = 'unsettled' THEN greatest(least(
                      threshold_supported - p_supported, threshold_contradicted - p_contradicted), 0) END
       END AS margin
FROM current_verdicts
ORDER BY margin NULLS LAST, claim_id
LIMIT $listing_room;

-- name: words
SELECT claim_id, text FROM $claims
WHERE claim_id IN (SELECT unnest(?)) AND date IN ($days);
