-- What the shop's rows were made from; seed reads it to know whether there is anything to do.
CREATE SCHEMA IF NOT EXISTS petco_meta;
CREATE TABLE IF NOT EXISTS petco_meta.seed (
    scale double precision NOT NULL,
    seed bigint NOT NULL,
    anchor date NOT NULL,
    generator_version integer NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE petco_meta.seed IS 'One row: what the rows of schema shop were made from';
COMMENT ON COLUMN petco_meta.seed.scale IS '1 is 1,000,000 orders';
COMMENT ON COLUMN petco_meta.seed.seed IS 'Seed of the random numbers';
COMMENT ON COLUMN petco_meta.seed.anchor IS 'The two years end at 00:00 UTC of this day';
COMMENT ON COLUMN petco_meta.seed.generator_version IS 'Version of the generator';
COMMENT ON COLUMN petco_meta.seed.seeded_at IS 'When the rows were made';
