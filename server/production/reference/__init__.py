"""What tasks choose from, as rows that people edit: sites, types of task, templates and software releases."""
