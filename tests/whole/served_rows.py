"""The rows of a database that is a server."""

from __future__ import annotations

from server.settings.database import read_address
from tests.whole.audit import Rows


class ServedRows(Rows):
    """The tables at an address; every answer is as of now."""

    def __init__(self, url: str) -> None:
        self.address = read_address(url)

    def read(self, query: str, *values: object) -> list[tuple]:
        connection = self._connected()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query.replace("?", "%s"), values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def _connected(self):
        at = self.address
        if at.kind == "postgresql":
            import psycopg

            return psycopg.connect(host=at.host, port=at.port, user=at.user, dbname=at.name, autocommit=True)
        import pymysql

        return pymysql.connect(unix_socket=at.host, user=at.user, database=at.name, autocommit=True)
