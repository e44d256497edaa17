"""What was used: by day, user, group, queue, task and kind of job; what quotas, fair shares and pages read of it."""
