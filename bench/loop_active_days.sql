SELECT count(DISTINCT m.created_at::date)
FROM vibelife.messages AS m
JOIN vibelife.conversations AS c ON c.id = m.conversation_id
WHERE c.user_id = %(user)s AND m.role = 'user';
