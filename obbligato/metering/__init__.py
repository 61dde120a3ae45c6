"""From usage events to rows and evidence, and from evidence back to rows.

Read `consents` for what licences allow, `meter` for the way in, `verify` for the way back.
"""
