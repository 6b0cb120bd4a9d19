"""Events out of the house: every event and checkpoint of the ledger to the endpoints of `[[webhooks]]`."""
