"""The usage oracle: takes usage from platforms, attests it, submits it, keeps it. See docs/oracle.md."""
