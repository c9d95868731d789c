import { IconButton } from "../ui/Button";
import { THEMES, useTheme } from "../ui/useTheme";

const ICONS = { auto: "auto", light: "sun", dark: "moon" } as const;

export function ThemeButton() {
  const [theme, setTheme] = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
  return <IconButton icon={ICONS[theme]} label={`Theme: ${theme}. Change to ${next}.`} onClick={() => setTheme(next)} />;
}
