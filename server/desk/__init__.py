"""The administrator's desk: the admin's site, first page and look; reads what others know; nothing imports it."""
