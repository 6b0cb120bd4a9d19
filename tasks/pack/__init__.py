"""The auditor's folder for a period: populations, samples, proofs, results, and the script that checks
them.
"""
