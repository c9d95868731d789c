/** A drawing of a watched job: a picture with boxes, its timeline, and the plugins' figures beside it. */
export function WelcomePicture() {
  return (
    <svg className="welcome-picture" viewBox="0 0 704 376" role="img" aria-label="A video with boxes around what was found, its timeline, and the plugins' figures">
      <rect width="704" height="376" className="wp-page" />
      <rect x="16" y="16" width="484" height="272" rx="8" className="wp-sky" />
      <path d="M16 214 Q150 150 262 200 T500 176 V280 Q500 288 492 288 H24 Q16 288 16 280Z" className="wp-hill" />
      <path d="M16 250 Q240 212 500 246 V280 Q500 288 492 288 H24 Q16 288 16 280Z" className="wp-road" />
      <g className="wp-people">
        <path d="M129 128a13 13 0 1 1 26 0a13 13 0 1 1-26 0M122 172q0-24 20-24t20 24v42l-8 44h-9l-3-38-3 38h-9l-8-44z" />
        <path d="M353 158a10 10 0 1 1 20 0a10 10 0 1 1-20 0M347 192q0-19 16-19t16 19v32l-6 34h-7l-3-28-3 28h-7l-6-34z" />
      </g>
      <g fill="none" strokeWidth="3">
        <rect x="108" y="104" width="68" height="160" rx="3" stroke="#3ee0c9" />
        <rect x="336" y="140" width="54" height="122" rx="3" stroke="#ffcb70" />
      </g>
      <path d="M60 262q46 6 72-2" className="wp-trail" stroke="#3ee0c9" />
      <path d="M452 252q-46 14-74 8" className="wp-trail" stroke="#ffcb70" />
      <g className="wp-labels">
        <rect x="106" y="82" width="92" height="22" rx="4" fill="#3ee0c9" />
        <text x="114" y="97.5">person 1 · 94%</text>
        <rect x="334" y="118" width="92" height="22" rx="4" fill="#ffcb70" />
        <text x="342" y="133.5">person 2 · 88%</text>
      </g>
      <rect x="16" y="306" width="484" height="10" rx="5" className="wp-line" />
      <rect x="16" y="306" width="290" height="10" rx="5" className="wp-bar" />
      <circle cx="306" cy="311" r="9" className="wp-bar" />
      <path d="M40 338v14M66 332v20M92 342v10M118 336v16M170 340v12M196 328v24M222 334v18M248 338v14M300 342v10M326 332v20M352 338v14M404 340v12M430 334v18M456 342v10" className="wp-ticks" />
      {[0, 1, 2].map((card) => (
        <g key={card} transform={`translate(516 ${16 + card * 118})`}>
          <rect width="172" height="106" rx="8" className="wp-card" />
          <rect x="12" y="14" width={[64, 78, 52][card]} height="8" rx="4" className="wp-word" />
          <rect x="118" y="12" width="42" height="12" rx="6" className="wp-badge" />
          <path d={["M12 92V70M24 92V58M36 92V66M48 92V48M60 92V62M72 92V74M84 92V54M96 92V64M108 92V70M120 92V52M132 92V66M144 92V60M156 92V72", "M12 92V80M24 92V78M36 92V82M48 92V76M60 92V80M72 92V79M84 92V74M96 92V80M108 92V78M120 92V82M132 92V76M144 92V80M156 92V78", "M12 92V62M24 92V70M36 92V44M48 92V66M60 92V58M72 92V70M84 92V62M96 92V48M108 92V68M120 92V60M132 92V72M144 92V50M156 92V64"][card]} className="wp-chart" />
        </g>
      ))}
    </svg>
  );
}
