INSERT INTO subtasks
VALUES (%(id)s, %(parent_task_id)s, %(variable_indices)s, %(variable_types_map)s,
        %(type_to_variable)s, %(status)s, %(result)s, %(error)s, %(retry_count)s, %(prompts)s,
        %(ratio)s, %(seed)s, %(use_polish)s, %(created_at)s, %(updated_at)s, %(rating)s,
        %(evaluate)s);
