"""The message broker: STOMP, and what PanDA says by it. Nothing here knows threads or jobs."""
