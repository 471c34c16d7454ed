SELECT EXISTS (
    SELECT FROM vibelife.payments WHERE user_id = %(user)s AND status = 'completed'
);
