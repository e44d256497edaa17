"""How pages write dates and times: as logs do, so that lists can be read down."""
