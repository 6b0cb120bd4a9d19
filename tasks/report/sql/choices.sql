-- What a page speaks of, and the words of the claims that it shows: no numbers, so they are not printed.

-- name: verdict_days
SELECT min(date) AS first, max(date) AS last FROM current_verdicts;

-- name: texts
SELECT judged.verdict_id, judged.reason, judged.evidence_ids, judged.decisive_start, judged.decisive_end,
       claims.text, outputs.prompt
FROM $verdicts AS judged
LEFT JOIN $claims AS claims ON claims.claim_id = judged.claim_id AND claims.date = judged.date
LEFT JOIN $outputs AS outputs ON outputs.output_id = judged.output_id AND outputs.date = judged.date
WHERE judged.claim_id IN ($shown) AND judged.date IN ($days);

-- name: whole_answers
SELECT output_id, source, source_id, session_id, prompt, response FROM $outputs
WHERE output_id IN (SELECT unnest(?)) AND date IN ($days);

-- name: their_claims
SELECT output_id, claims.claim_id, claims.start, claims."end", standing
FROM $claims AS claims LEFT JOIN current_verdicts USING (output_id, claim_id)
WHERE output_id IN (SELECT unnest(?)) AND claims.date IN ($days) AND kind = 'factual'
ORDER BY output_id, claims.start, claims."end";

-- name: passages
SELECT passage_id, document_uri, text FROM $passages
WHERE passage_id IN (SELECT unnest(?1)) AND corpus = 'context' AND date IN ($days)
UNION ALL
-- A corpus's are of the day of its indexing; statistics pass over files of nothing but contexts.
SELECT passage_id, document_uri, text FROM $passages
WHERE passage_id IN (SELECT unnest(?1)) AND corpus <> 'context';

-- name: days
SELECT DISTINCT date FROM $outputs
WHERE ingested_at <= (SELECT finished_at FROM $runs WHERE run_id = '$run_id');

-- name: newest_drift
SELECT report_id FROM $drift ORDER BY run_id = '$run_id' DESC, window_end DESC, report_id DESC LIMIT 1;

-- name: newest_reaudit
SELECT run_id FROM $flip_shares ORDER BY run_id = '$run_id' DESC, found_at DESC, run_id DESC LIMIT 1;
