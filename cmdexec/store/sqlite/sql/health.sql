-- beat: change something of no meaning
UPDATE pulse SET beats = beats + 1 WHERE id = 1;
