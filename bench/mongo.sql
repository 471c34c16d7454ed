-- Tables for the competitors: COPY takes the lines into one column, and the script of the plan
-- writes its subtasks.
CREATE TABLE as_text (line text);
CREATE TABLE as_jsonb (line jsonb);
CREATE TABLE subtasks (
    id                 uuid PRIMARY KEY,
    parent_task_id     uuid,
    variable_indices   jsonb,
    variable_types_map jsonb,
    type_to_variable   jsonb,
    status             text,
    result             jsonb,
    error              text,
    retry_count        integer,
    prompts            jsonb,
    ratio              text,
    seed               bigint,
    use_polish         boolean,
    created_at         timestamptz,
    updated_at         timestamptz,
    rating             integer,
    evaluate           text
);
